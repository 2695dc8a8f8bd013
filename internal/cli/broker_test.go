package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"redline/internal/broker"
)

// brokerCommand runs `redline broker …` and returns what it printed.
func brokerCommand(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	p := &Process{Stdout: &out, Stderr: io.Discard, Getenv: func(string) string { return "" }}
	cmd := newBrokerCommand(p)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestBrokerMistakesAreUsageErrors(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	for _, c := range []struct{ args, says string }{
		{"up --kafka docker", "type embedded, local, or local:N"},
		{"up --kafka local:0", "type embedded, local, or local:N"},
		{"up --property novalue", "type it as key=value"},
		{"up --property =x", "type it as key=value"},
		{"up --port -1", "ports go from 1 to 65535"},
		{"up --kafka local --kafka-version latest", "no version of Apache Kafka"},
		{"up --kafka local --heap lots", "no heap size"},
		{"up now", "one word too many"},
		{"up -o yaml", "text or json"},
		{"status -o yaml", "text or json"},
		{"down please", "one word too many"},
	} {
		_, err := brokerCommand(t, strings.Fields(c.args)...)
		var failure *Failure
		if !errors.As(err, &failure) || failure.Code != ExitUsage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("broker %s: error %v, want a usage error with %q", c.args, err, c.says)
		}
	}
}

func TestBrokerStatusAndDownWithNothingRunning(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	for args, want := range map[string]string{
		"status":         "No broker runs.\n",
		"down":           "No detached broker runs.\n",
		"status -o json": "{\n  \"schema\": \"redline.broker/v1\",\n  \"brokers\": []\n}\n",
		"down -o json":   "{\n  \"schema\": \"redline.broker/v1\",\n  \"brokers\": []\n}\n",
	} {
		if got, err := brokerCommand(t, strings.Fields(args)...); err != nil || got != want {
			t.Errorf("broker %s: %q, %v; want %q", args, got, err, want)
		}
	}
}

var exampleBroker = broker.State{
	ID: "20260102-030405.000-abcdef", Kind: broker.Local, Kafka: "Apache Kafka 4.3.1", Nodes: 2,
	ClusterID: "MkU3OEVBNTcwNTJENDM2Qg", Brokers: []string{"127.0.0.1:9092", "127.0.0.1:9093"},
	Metrics: []string{"http://127.0.0.1:7071/metrics", "http://127.0.0.1:7072/metrics"},
	Storage: "disk (ext4)", Logs: "/state/logs", Detached: true,
	Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), PIDs: []int{11, 12},
}

func TestABrokerPrintsWhatToConnectTo(t *testing.T) {
	var out bytes.Buffer
	if err := printBroker(&Process{Stdout: &out}, exampleBroker, "text"); err != nil {
		t.Fatal(err)
	}
	const want = `Kafka:      Apache Kafka 4.3.1, 2 nodes
Connect:    -b 127.0.0.1:9092,127.0.0.1:9093
Cluster id: MkU3OEVBNTcwNTJENDM2Qg
Storage:    disk (ext4)
Logs:       /state/logs
Metrics:    http://127.0.0.1:7071/metrics
Metrics:    http://127.0.0.1:7072/metrics
Detached:   yes; ` + "`redline broker down`" + ` ends it
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

func TestBrokerJSONHasStableKeys(t *testing.T) {
	var out bytes.Buffer
	if err := printBroker(&Process{Stdout: &out}, broker.State{Kind: broker.Embedded}, "json"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema string
		Broker map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "redline.broker/v1" {
		t.Errorf("schema %q", got.Schema)
	}
	for _, key := range strings.Fields("id kind kafka nodes cluster_id brokers metrics storage logs detached started pids") {
		if v, there := got.Broker[key]; !there || v == nil {
			t.Errorf("key %q: %v", key, v)
		}
		delete(got.Broker, key)
	}
	if len(got.Broker) > 0 {
		t.Errorf("new keys: %v", got.Broker)
	}
}
