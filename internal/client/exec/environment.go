package exec

import (
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"redline/internal/client"
	"redline/internal/security"
)

const (
	// ours is how the names of redline's own variables begin. Those of the caller may
	// hold passwords, and stay out of the child.
	ours = "REDLINE_"
	// defaultEvery is how often counts are wanted unless the task says so.
	defaultEvery = 100 * time.Millisecond
	// defaultClientID is what the broker sees unless the task says so.
	defaultClientID = "redline"
)

// span is what to read of a partition.
type span struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

// variables are the task in the environment of the child, NAME=VALUE.
func variables(task client.Task) []string {
	values := map[string]string{
		"PROTOCOL":    strconv.Itoa(protocol),
		"WORKLOAD":    task.Workload,
		"BROKERS":     strings.Join(task.Brokers, ","),
		"CLIENT_ID":   cmp.Or(task.ClientID, defaultClientID),
		"TOPIC":       task.Topic,
		"PARTITIONS":  strconv.Itoa(task.Partitions),
		"INSTANCES":   strconv.Itoa(max(1, task.Instances)),
		"PROFILE":     string(cmp.Or(task.Profile, client.Tuned)),
		"PROPERTIES":  "{}",
		"INTERVAL_MS": strconv.FormatInt(cmp.Or(task.Every, defaultEvery).Milliseconds(), 10),
	}
	if len(task.Properties) > 0 {
		values["PROPERTIES"] = jsonText(task.Properties)
	}
	if task.Workload == consume {
		values["PARTITIONS"] = jsonText(spans(task))
		values["ONCE"] = strconv.FormatBool(task.Once)
		values["HANDLER"] = cmp.Or(task.Handler, "none")
	} else {
		values["RECORD_BYTES"] = strconv.Itoa(task.RecordSize)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, ours+name+"="+values[name])
	}
	return all
}

func spans(task client.Task) []span {
	all := []span{}
	for _, partition := range slices.Sorted(maps.Keys(task.Starts)) {
		all = append(all, span{partition, task.Starts[partition], task.Ends[partition]})
	}
	return all
}

func jsonText(v any) string {
	text, _ := json.Marshal(v) // of texts and numbers
	return string(text)
}

// environment is the caller's own without what is redline's, then the task, then the
// file that says how to connect, if there is one.
func environment(inherited []string, task client.Task, connection string) []string {
	all := slices.DeleteFunc(slices.Clone(inherited), func(pair string) bool { return strings.HasPrefix(pair, ours) })
	all = append(all, variables(task)...)
	if connection != "" {
		all = append(all, ours+"CONNECTION_FILE="+connection)
	}
	return all
}

// writeConnection writes Java properties that say how to connect into a new folder, which
// the caller removes. Where nothing has to be said there is neither.
func writeConnection(s security.Security) (folder, file string, err error) {
	if s.TLS == nil && s.SASL == nil {
		return "", "", nil
	}
	if folder, err = os.MkdirTemp("", "redline-exec-"); err != nil {
		return "", "", err
	}
	properties, err := s.JavaProperties(folder)
	if err == nil {
		file = filepath.Join(folder, "connection.properties")
		err = security.WriteJavaFile(file, properties)
	}
	if err != nil {
		_ = os.RemoveAll(folder)
		return "", "", err
	}
	return folder, file, nil
}
