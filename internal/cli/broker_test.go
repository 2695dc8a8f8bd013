package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/internal/broker"
)

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
		{"up --tls", "--kafka local"},
		{"up --kafka embedded --sasl plain", "--kafka local"},
		{"up --kafka local --acl", "--acl has to know who asks"},
		{"up --kafka local --tls --sasl kerberos", "GSSAPI"},
		{"up --kafka local --tls --sasl aws_msk_iam", "it takes PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"},
		{"up now", "one word too many"},
		{"up -o yaml", "choose text, wide"},
		{"status -o yaml", "choose text, wide"},
		{"status now", "one word too many"},
		{"down this that", "\"that\" is one word too many"},
	} {
		got := adminTyped(t, nil, append([]string{"broker"}, strings.Fields(c.args)...)...)
		if got.code != ExitUsage || !strings.Contains(got.stderr, c.says) || got.stdout != "" {
			t.Errorf("broker %s: %+v, want a usage error with %q", c.args, got, c.says)
		}
	}
}

func TestBrokerStatusAndDownWithNothingRunning(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	for command, want := range map[string]string{"status": "No broker runs.\n", "down": "No detached broker runs.\n"} {
		if got := adminTyped(t, nil, "broker", command); got != (told{0, want, ""}) {
			t.Errorf("broker %s: %+v, want %q", command, got, want)
		}
		object := asJSON(t, adminTyped(t, nil, "broker", command, "-o", "json"))
		if diff := cmp.Diff([]any{}, object["brokers"]); diff != "" || object["schema"] != "redline.brokers/v1" {
			t.Errorf("broker %s: %v", command, object)
		}
		if e, there := object["error"]; !there || e != nil {
			t.Errorf("broker %s: the error is %v, want null", command, e)
		}
	}
}

func TestBrokerJSONIsOneObjectAlsoAfterAnError(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	for args, says := range map[string]string{
		"up --port 0 --kafka docker":                               "type embedded, local, or local:N",
		"up --port 0 --property num.io.threads=8":                  `no property "num.io.threads"`,
		"up --port 0 --detach --property num.io.threads=8":         `no property "num.io.threads"`,
		"up --port 0 --kafka local --kafka-home /no/such/unpacked": "/no/such/unpacked",
		"down no-such-id": "none with this ID runs",
	} {
		got := adminTyped(t, nil, append(strings.Fields("broker "+args), "-o", "json")...)
		object := asJSON(t, got)
		text, _ := object["error"].(string)
		if got.code == 0 || !strings.Contains(text, says) || !strings.Contains(got.stderr, text) {
			t.Errorf("broker %s: %+v", args, got)
		}
		if shown, there := object["broker"]; strings.HasPrefix(args, "up") && (!there || shown != nil) {
			t.Errorf("broker %s: the broker is %v, want null", args, shown)
		}
	}
}

// up starts a detached embedded broker, and returns its ID and what was printed.
func up(t *testing.T) (id string, object map[string]any) {
	t.Helper()
	object = asJSON(t, adminTyped(t, nil, "broker", "up", "--port", "0", "--detach", "-o", "json"))
	shown, ok := object["broker"].(map[string]any)
	if !ok {
		t.Fatalf("no broker came up: %v", object)
	}
	return shown["id"].(string), object
}

// running are the IDs of the brokers that run.
func running(t *testing.T) []string {
	t.Helper()
	states, err := broker.Status()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range states {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestDownWithAnIDEndsThatBrokerAlone(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	t.Cleanup(func() { _, _ = broker.Down(context.Background()) })
	first, object := up(t)
	if e, there := object["error"]; object["schema"] != "redline.broker/v1" || !there || e != nil {
		t.Errorf("up: %v", object)
	}
	second, _ := up(t)
	if got := adminTyped(t, nil, "broker", "down", "no-such-id"); got.code != ExitFailed || !strings.Contains(got.stderr, "`redline broker status`") || got.stdout != "" {
		t.Errorf("down of an ID that nobody has: %+v", got)
	}
	if got := adminTyped(t, nil, "broker", "down", ""); got.code != ExitUsage || !strings.Contains(got.stderr, "ID is empty") {
		t.Errorf("down of an empty ID: %+v", got)
	}
	if got := adminTyped(t, nil, "broker", "status"); !strings.Contains(got.stdout, "`redline broker down "+first+"`") {
		t.Errorf("status does not say how to end one: %s", got.stdout)
	}
	if diff := cmp.Diff([]string{first, second}, running(t)); diff != "" {
		t.Fatal(diff)
	}
	ended := asJSON(t, adminTyped(t, nil, "broker", "down", first, "-o", "json"))["brokers"].([]any)
	if len(ended) != 1 || ended[0].(map[string]any)["id"] != first {
		t.Errorf("ended are %v, want %s", ended, first)
	}
	if diff := cmp.Diff([]string{second}, running(t)); diff != "" {
		t.Error(diff)
	}
	if got := adminTyped(t, nil, "broker", "down"); got.code != 0 || strings.Count(got.stdout, "\n") != 1 || !strings.HasPrefix(got.stdout, "Ended embedded broker") {
		t.Errorf("down: %+v", got)
	}
	if left := running(t); left != nil {
		t.Errorf("left are %v", left)
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
	if err := printBroker(&Process{Stdout: &out}, "text", &exampleBroker, nil); err != nil {
		t.Fatal(err)
	}
	const want = `Kafka:      Apache Kafka 4.3.1, 2 nodes
Connect:    -b 127.0.0.1:9092,127.0.0.1:9093
Cluster id: MkU3OEVBNTcwNTJENDM2Qg
Storage:    disk (ext4)
Logs:       /state/logs
Metrics:    http://127.0.0.1:7071/metrics
Metrics:    http://127.0.0.1:7072/metrics
Detached:   yes; ` + "`redline broker down 20260102-030405.000-abcdef`" + ` ends it
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

func TestASecuredBrokerPrintsHowToConnectAndNoSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "admin.properties")
	text := `bootstrap.servers=127.0.0.1:9092
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="CANARY";
sasl.mechanism=SCRAM-SHA-512
security.protocol=SASL_PLAINTEXT
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	state := broker.State{
		Kind: broker.Local, Kafka: "Apache Kafka 4.3.1", Nodes: 1, ClusterID: "MkU3OEVBNTcwNTJENDM2Qg", Brokers: []string{"127.0.0.1:9092"},
		Storage: "tmpfs", Logs: "/state/logs", Security: "SASL_PLAINTEXT, SCRAM-SHA-512, ACLs", ClientProperties: file, Super: "User:admin",
	}
	if err := brokerReady(&Process{Stdout: &out, Stderr: &talk}, "text", state, nil, "Ready."); err != nil {
		t.Fatal(err)
	}
	want := `Kafka:      Apache Kafka 4.3.1, 1 node
Connect:    -b 127.0.0.1:9092 -F FILE
Security:   SASL_PLAINTEXT, SCRAM-SHA-512, ACLs
Super user: User:admin
Cluster id: MkU3OEVBNTcwNTJENDM2Qg
Storage:    tmpfs
Logs:       /state/logs

FILE:
  bootstrap.servers=127.0.0.1:9092
  sasl.jaas.config=****
  sasl.mechanism=SCRAM-SHA-512
  security.protocol=SASL_PLAINTEXT

Beside it:  admin.properties
Try:        redline topic list -F FILE
`
	if got := strings.ReplaceAll(out.String(), file, "FILE"); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestBrokerJSONHasStableKeys(t *testing.T) {
	var out bytes.Buffer
	if err := printBroker(&Process{Stdout: &out}, "json", &broker.State{Kind: broker.Embedded}, nil); err != nil {
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
	for _, key := range strings.Fields("id kind kafka nodes cluster_id brokers metrics storage logs security client_properties super_user detached started pids") {
		if v, there := got.Broker[key]; !there || v == nil {
			t.Errorf("key %q: %v", key, v)
		}
		delete(got.Broker, key)
	}
	if len(got.Broker) > 0 {
		t.Errorf("new keys: %v", got.Broker)
	}
}
