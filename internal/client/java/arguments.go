package java

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"redline/internal/client"
)

const (
	// leastInterval and mostInterval bound how often a tool reports. A line costs it a
	// few microseconds and a write, and no more than one comes for each poll.
	leastInterval, mostInterval = 100 * time.Millisecond, 5 * time.Second
	// usualInterval is taken where a task names none.
	usualInterval = 250 * time.Millisecond
	// silence is how long a consumer waits for a record, the first one too, before it
	// gives up.
	silence = time.Minute
)

var (
	// machineFlags are those of kafka-run-class.sh, with the heap of the scripts that
	// start the performance tools.
	machineFlags = []string{
		"-Xmx512m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15",
	}
	// placeFlags are a language and a time zone: the tools print numbers and times as the
	// user's have them.
	placeFlags = []string{
		"-Djava.awt.headless=true", "-Duser.language=en", "-Duser.language.format=en",
		"-Duser.country=US", "-Duser.country.format=US", "-Duser.timezone=UTC",
	}
)

// tool is one of Kafka's performance tools, as data.
type tool struct {
	// class is its name in the package org.apache.kafka.tools.
	class string
	// several says that one process can run several clients.
	several bool
	// names are the properties that its client has; refused are those of them that the
	// tool or the workload decides.
	names, refused []string
	tuned          []client.Preset
	// options are the flags that carry a property, where the tool sets one of its own
	// over that of the properties file.
	options map[string]string
	// forced are the settings in force whatever is asked, defaults those of the tool.
	forced, defaults map[string]string
	lighter          []string
	// share says that the group is a share group.
	share bool
	// arguments are those of the task alone.
	arguments func(task client.Task) ([]string, error)
	// reader reads its lines.
	reader func(task client.Task) reader
}

//go:embed consumer.txt
var consumerNames string

//go:embed producer.txt
var producerNames string

// namesIn are the lines of an embedded file, without its comments.
func namesIn(file string) []string {
	var names []string
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(line, "#") {
			names = append(names, strings.TrimSpace(line))
		}
	}
	return names
}

var consumer = tool{
	class:     "ConsumerPerformance",
	names:     namesIn(consumerNames),
	refused:   []string{"key.deserializer", "value.deserializer"},
	tuned:     consumeTuned,
	options:   map[string]string{"max.partition.fetch.bytes": "fetch-size", "receive.buffer.bytes": "socket-buffer-size"},
	forced:    map[string]string{"check.crcs": "false", "auto.offset.reset": "earliest"},
	defaults:  map[string]string{"max.partition.fetch.bytes": "1048576", "receive.buffer.bytes": "2097152"},
	arguments: reading,
	reader:    func(task client.Task) reader { return &consumed{asked: recordsOf(task)} },
	lighter: []string{
		"does not check the CRC of batches: the tool sets check.crcs=false",
		"sums no values and looks at no stamps",
		"reads as the member of a group, once through the topic",
	},
}

var shareConsumer = tool{
	class:   "ShareConsumerPerformance",
	several: true,
	names:   namesIn(consumerNames),
	refused: []string{
		"key.deserializer", "value.deserializer",
		// What Kafka 4.3.1 (ShareConsumerConfig) refuses of a share consumer.
		"enable.auto.commit", "group.instance.id", "isolation.level", "partition.assignment.strategy",
		"interceptor.classes", "session.timeout.ms", "heartbeat.interval.ms", "group.protocol", "group.remote.assignor",
		// The tool acknowledges nothing itself.
		"share.acknowledgement.mode",
	},
	tuned:     shareTuned,
	options:   map[string]string{"fetch.max.bytes": "fetch-size", "receive.buffer.bytes": "socket-buffer-size"},
	forced:    map[string]string{"check.crcs": "false", "share.auto.offset.reset": "earliest", "share.acknowledgement.mode": "implicit"},
	defaults:  map[string]string{"fetch.max.bytes": "1048576", "receive.buffer.bytes": "2097152"},
	share:     true,
	arguments: reading,
	reader:    func(task client.Task) reader { return newShared(max(1, task.Instances)) },
	lighter: []string{
		"does not check the CRC of batches: the tool sets check.crcs=false",
		"sums no values and looks at no stamps",
		"reads as members of a share group, once through the topic: each record is locked for a member and acknowledged to the broker, in no order across members, and delivered again if that comes too late",
	},
}

var producer = tool{
	class:     "ProducerPerformance",
	names:     namesIn(producerNames),
	refused:   []string{"key.serializer", "value.serializer", "transactional.id", "transaction.timeout.ms", "transaction.two.phase.commit.enable"},
	tuned:     produceTuned,
	arguments: writing,
	reader:    func(task client.Task) reader { return &produced{size: int64(task.RecordSize)} },
	lighter: []string{
		"its records carry no stamp: their values are random letters",
		"chooses the partitions of its records itself",
		"is ended while it sends, so that records are acknowledged that no line tells of",
	},
}

// draft is a task put to a tool.
type draft struct {
	name string
	tool *tool
	task client.Task
	// java is the program, its flags and its class path.
	java []string
	// arguments are the tool's, but for the name of the properties file.
	arguments []string
	// properties go into that file, but for those of the connection.
	properties map[string]string
	// settings are those in force.
	settings map[string]string
	// groupID is the group that is joined; "" for a producer.
	groupID string
}

// draft puts a task to the tool, or says what cannot be asked of it.
func (t *tool) draft(name string, task client.Task) (*draft, error) {
	chosen, err := t.choose(name, task.Options)
	if err != nil {
		return nil, err
	}
	arguments, err := t.arguments(task)
	if err != nil {
		return nil, err
	}
	d := &draft{name: name, tool: t, task: task, arguments: arguments, properties: map[string]string{}}
	d.settings = maps.Clone(t.defaults)
	if d.settings == nil {
		d.settings = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(chosen)) {
		if option, ok := t.options[key]; ok {
			d.option(option, chosen[key])
		} else {
			d.properties[key] = chosen[key]
		}
		if !secretive(key) {
			d.settings[key] = chosen[key]
		}
	}
	maps.Copy(d.settings, t.forced)
	d.settings["security.protocol"] = task.Security.Protocol()
	d.settings["reporting-interval"] = strconv.FormatInt(intervalOf(task).Milliseconds(), 10)
	d.settings["java"] = strings.Join(machineFlags, " ")
	if task.Workload == "consume" {
		d.groupID = "redline-perf-" + random()
		d.settings["group.id"] = d.groupID
		d.option("group", d.groupID)
	}
	return d, nil
}

// option adds a flag of the tool. In one word, since a value may begin with a dash.
func (d *draft) option(name, value string) {
	d.arguments = append(d.arguments, "--"+name+"="+value)
}

// secretive says that a property may hold a secret, or lead to one.
func secretive(key string) bool {
	return strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.")
}

func random() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// choose puts the user's properties over the profile's, over what every one gets.
func (t *tool) choose(name string, o client.Options) (map[string]string, error) {
	presets, err := client.Presets(o.Profile, t.tuned)
	if err != nil {
		return nil, err
	}
	id := o.ClientID
	if id == "" {
		id = "redline"
	}
	chosen := map[string]string{"client.id": id, "enable.metrics.push": "false"}
	for _, p := range presets {
		chosen[p.Key] = p.Value
	}
	given := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(o.Properties)) {
		java := key
		if key == "socket.receive.buffer.bytes" {
			java = "receive.buffer.bytes"
		}
		if err := t.checkProperty(name, key, java, o.Properties[key]); err != nil {
			return nil, err
		}
		if other, twice := given[java]; twice {
			return nil, client.Unsupported(name, "take both "+other+" and "+key+", two spellings of one property", "give one of them")
		}
		given[java] = key
		chosen[java] = o.Properties[key]
	}
	return chosen, nil
}

// checkProperty refuses what the tool cannot honour. That check.crcs=true is not honoured
// stands in Lighter.
func (t *tool) checkProperty(name, key, java, value string) error {
	if err := client.CheckReserved(key); err != nil {
		return err
	}
	if !slices.Contains(t.names, java) {
		if owners := ownersOf(java); owners != "" {
			return client.InapplicableProperty(name, key, owners)
		}
		return client.UnknownProperty(name, key, t.names)
	}
	if slices.Contains(t.refused, java) {
		return client.Unsupported(name, "set "+key+": Kafka's "+t.class+" decides it", "leave it out of the properties")
	}
	if _, option := t.options[java]; option {
		if n, err := strconv.ParseInt(value, 10, 32); err != nil || n < -1 {
			return client.BadProperty(name, key, value, "a whole number of bytes")
		}
	}
	return nil
}

// ownersOf are the clients that have a property; none of them has one that nobody has.
func ownersOf(key string) string {
	switch {
	case slices.Contains(consumer.names, key):
		return "consumers"
	case slices.Contains(producer.names, key):
		return "producers"
	}
	return ""
}

// reading are the arguments of a tool that consumes.
func reading(task client.Task) ([]string, error) {
	asked := recordsOf(task)
	if asked < 1 && task.Topic != "" { // a task that is only checked names no topic yet
		return nil, errors.New("there is nothing to read between the offsets that Kafka's tool is to start and to end at; fill the topic first")
	}
	arguments := append(common(task, asked), "--show-detailed-stats", "--timeout="+strconv.FormatInt(silence.Milliseconds(), 10))
	if task.Instances > 1 {
		arguments = append(arguments, "--threads="+strconv.Itoa(task.Instances))
	}
	return arguments, nil
}

// writing are the arguments of a tool that produces until it is stopped.
func writing(task client.Task) ([]string, error) {
	return append(common(task, math.MaxInt64), "--throughput=-1", "--record-size="+strconv.Itoa(task.RecordSize)), nil
}

func common(task client.Task, records int64) []string {
	return []string{
		"--bootstrap-server=" + strings.Join(task.Brokers, ","),
		"--topic=" + task.Topic,
		"--num-records=" + strconv.FormatInt(records, 10),
		"--reporting-interval=" + strconv.FormatInt(intervalOf(task).Milliseconds(), 10),
	}
}

func intervalOf(task client.Task) time.Duration {
	if task.Every <= 0 {
		return usualInterval
	}
	return min(max(task.Every, leastInterval), mostInterval)
}

// recordsOf are those between Starts and Ends.
func recordsOf(task client.Task) int64 {
	var sum int64
	for partition, end := range task.Ends {
		n := end - task.Starts[partition]
		if n > 0 && n <= math.MaxInt64-sum {
			sum += n
		}
	}
	return sum
}

// propertiesFor are all that go into the file, with those of the connection, whose own
// files are below dir.
func (d *draft) propertiesFor(dir string) (map[string]string, error) {
	connection, err := d.task.Security.JavaProperties(dir)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(d.properties)
	maps.Copy(all, connection)
	return all, nil
}
