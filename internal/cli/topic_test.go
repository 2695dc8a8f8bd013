package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/broker"
	"redline/internal/cluster"
)

// told is what a command that was typed said.
type told struct {
	code           int
	stdout, stderr string
}

// adminTyped runs a command as typed; env is the environment.
func adminTyped(t *testing.T, env map[string]string, args ...string) told {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &Process{Args: args, Getenv: func(k string) string { return env[k] }, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}
	code := run(t.Context(), p)
	return told{code, stdout.String(), stderr.String()}
}

// fakeKafka is a cluster in this process, and its address.
func fakeKafka(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, k.ListenAddrs()[0]
}

// nobodyListens is an address that refuses connections.
func nobodyListens(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The article's own lines (iteration 3), to the byte.
func TestATopicIsDescribedInTheArticlesWords(t *testing.T) {
	id := [16]byte{0xdd, 0x39, 0xe1, 0xa2, 0x27, 0x5d, 0x44, 0xef, 0x9a, 0xf2, 0x32, 0x69, 0x45, 0xa5, 0x93, 0x16}
	topic := cluster.Topic{Name: "test-topic", ID: id, Configs: []cluster.Property{{Key: "segment.bytes", Value: "1073741824"}}}
	for p := range int32(2) {
		topic.Partitions = append(topic.Partitions, cluster.Partition{ID: p, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}, ELR: []int32{}, LastKnownELR: []int32{}})
	}
	var got bytes.Buffer
	writeTopic(&got, topic)
	want := "Topic: test-topic\tTopicId: 3TnhoiddRO-a8jJpRaWTFg\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: segment.bytes=1073741824\n" +
		"\tTopic: test-topic\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n" +
		"\tTopic: test-topic\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAnOfflinePartitionAndAnOlderBrokerAreToldApart(t *testing.T) {
	var got bytes.Buffer
	writeTopic(&got, cluster.Topic{Name: "x", Partitions: []cluster.Partition{{Leader: -1, Replicas: []int32{1, 2}, ISR: []int32{2}, ELR: []int32{1, 3}}}})
	if want := "\tTopic: x\tPartition: 0\tLeader: none\tReplicas: 1,2\tIsr: 2\tElr: 1,3\tLastKnownElr: N/A\n"; !strings.HasSuffix(got.String(), want) {
		t.Errorf("got %q", got.String())
	}
}

func TestTopicsAreCreatedDescribedListedAndDeletedAsTheArticleTypesIt(t *testing.T) {
	_, address := fakeKafka(t)
	for _, partitions := range []string{"1", "2", "4"} {
		got := adminTyped(t, nil, "topic", "create", "--bootstrap-server", address, "--topic", "test-topic", "--partitions", partitions, "-q")
		if got != (told{0, "Created topic test-topic.\n", ""}) {
			t.Fatalf("create: %+v", got)
		}
		got = adminTyped(t, nil, "topic", "describe", "test-topic", "--brokers", address)
		lines := strings.Split(got.stdout, "\n")
		if got.code != 0 || !strings.HasPrefix(lines[0], "Topic: test-topic\tTopicId: ") || !strings.Contains(lines[0], "\tPartitionCount: "+partitions+"\tReplicationFactor: 1\tConfigs: ") {
			t.Errorf("describe: %+v", got)
		}
		if lines[1] != "\tTopic: test-topic\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: \tLastKnownElr: " {
			t.Errorf("got line %q", lines[1])
		}
		if got := adminTyped(t, map[string]string{bootstrapEnv: address}, "topic", "list", "-q"); got != (told{0, "test-topic\n", ""}) {
			t.Errorf("list: %+v", got)
		}
		if got := adminTyped(t, nil, "topic", "delete", "--broker-list", address, "--topic", "test-topic", "-q"); got != (told{}) {
			t.Errorf("delete: %+v", got)
		}
	}
}

func TestWhatIsThereOrGoneAlreadyIsAnErrorUnlessToldOtherwise(t *testing.T) {
	_, address := fakeKafka(t, kfake.SeedTopics(1, "test-topic"))
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"create test-topic", 1, "test-topic exists already"},
		{"create test-topic --if-not-exists", 0, ""},
		{"delete nope", 1, "topic nope does not exist"},
		{"delete nope --if-exists", 0, ""},
		{"describe test-topci", 1, "Did you mean test-topic? Create it with \"redline topic create test-topci"},
		{"create new --replication-factor 3", 1, "--replication-factor"},
	} {
		got := adminTyped(t, nil, append(strings.Fields("topic "+c.args), "-b", address, "-q")...)
		if got.code != c.code || !strings.Contains(got.stderr, c.says) || strings.Count(got.stderr, "\n") > 1 || got.stdout != "" {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

func TestMistakesInWhatIsTypedEndWithCode2BeforeAnythingIsDone(t *testing.T) {
	address := nobodyListens(t)
	for args, says := range map[string]string{
		"topic create":                           "which topic?",
		"topic create a b":                       "one word too many",
		"topic create a --topic b":               "two different ones",
		"topic create a --partitions 0":          "--partitions 0",
		"topic create a --partitions -5":         "--partitions -5",
		"topic create a --partitions 4294967297": "--partitions 4294967297",
		"topic create a --replication-factor 0":  "--replication-factor 0",
		"topic create a --config b":              "key=value",
		"topic create a/b":                       "cannot name a topic",
		"topic list a":                           "one word too many",
		"topic list -o yaml":                     "choose text, wide",
		"topic nonsense":                         "one word too many",
		"group describe":                         "which group?",
		"group nonsense":                         "one word too many",
		"topic list --timeout 0s":                "--timeout 0s",
		"topic list --timeout -1s":               "--timeout -1s",
		"topic list --kafka embedded":            "leave one of them out",
	} {
		words := strings.Fields(args)
		if !strings.HasSuffix(args, "nonsense") {
			words = append(words, "-b", address)
		}
		if got := adminTyped(t, nil, words...); got.code != ExitUsage || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	for _, bad := range []string{"http://a", "a:b", ","} {
		if got := adminTyped(t, nil, "topic", "list", "-b", bad); got.code != ExitUsage || !strings.Contains(got.stderr, "--bootstrap-server: ") {
			t.Errorf("-b %s: %+v", bad, got)
		}
		if got := adminTyped(t, map[string]string{bootstrapEnv: bad}, "topic", "list"); got.code != ExitUsage || !strings.Contains(got.stderr, bootstrapEnv) {
			t.Errorf("%s=%s: %+v", bootstrapEnv, bad, got)
		}
	}
	if got := adminTyped(t, nil, "topic", "list", "--kafka", "zookeeper"); got.code != ExitUsage {
		t.Errorf("got %+v", got)
	}
}

func TestADeadBrokerEndsWithCode4AndSaysWhatToDo(t *testing.T) {
	address := nobodyListens(t)
	want := told{ExitUnreachable, "", "redline: cannot reach " + address + ": connection refused. Start one with \"redline broker up\", or name yours with -b.\n"}
	if got := adminTyped(t, nil, "topic", "list", "-b", address); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestARefusalOfTheClusterEndsWithCode4(t *testing.T) {
	k, address := fakeKafka(t)
	k.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.Topics = []kmsg.CreateTopicsResponseTopic{{Topic: "x", ErrorCode: kerr.TopicAuthorizationFailed.Code}}
		return resp, nil, true
	})
	got := adminTyped(t, nil, "topic", "create", "x", "-b", address)
	if got.code != ExitUnreachable || !strings.Contains(got.stderr, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("got %+v", got)
	}
}

// asJSON reads the one object that a command printed.
func asJSON(t *testing.T, got told) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &object); err != nil {
		t.Fatalf("%v in %+v", err, got)
	}
	if err := checkObjects([]byte(got.stdout)); err != nil {
		t.Errorf("%v in %s", err, got.stdout)
	}
	return object
}

func TestJSONIsOneObjectAlsoAfterAnError(t *testing.T) {
	_, address := fakeKafka(t)
	empty := asJSON(t, adminTyped(t, nil, "topic", "list", "-o", "json", "-b", address))
	if diff := cmp.Diff([]any{}, empty["topics"]); diff != "" || empty["schema"] != "redline.topics/v1" || empty["error"] != nil {
		t.Errorf("got %v", empty)
	}
	created := asJSON(t, adminTyped(t, nil, "topic", "create", "x", "--partitions", "2", "--config", "retention.ms=1000", "-o", "json", "-b", address))
	topic := created["topic"].(map[string]any)
	if created["schema"] != "redline.topic/v1" || topic["name"] != "x" || len(topic["partitions"].([]any)) != 2 || topic["replication_factor"] != 1.0 {
		t.Errorf("got %v", created)
	}
	if diff := cmp.Diff(map[string]any{"partition": 0.0, "leader": 0.0, "replicas": []any{0.0}, "isr": []any{0.0}, "elr": []any{}, "last_known_elr": []any{}}, topic["partitions"].([]any)[0]); diff != "" {
		t.Error(diff)
	}
	deleted := asJSON(t, adminTyped(t, nil, "topic", "delete", "x", "-o", "json", "-b", address))
	if diff := cmp.Diff([]any{"x"}, deleted["deleted"]); diff != "" {
		t.Error(diff)
	}
	failed := adminTyped(t, nil, "topic", "describe", "x", "-o", "json", "-b", address)
	if object := asJSON(t, failed); failed.code != 1 || object["topic"] != nil || !strings.Contains(object["error"].(string), "topic x does not exist") || !strings.Contains(failed.stderr, "topic x does not exist") {
		t.Errorf("got %+v", failed)
	}
	dead := adminTyped(t, nil, "topic", "list", "-o", "json", "-b", nobodyListens(t))
	if object := asJSON(t, dead); dead.code != ExitUnreachable || !strings.Contains(object["error"].(string), "connection refused") {
		t.Errorf("got %+v", dead)
	}
}

// A hostile cluster's names reach the terminal without what could steer it.
func TestNamesOfTheClusterCannotSteerTheTerminal(t *testing.T) {
	k, address := fakeKafka(t)
	k.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if len(req.(*kmsg.MetadataRequest).Topics) > 0 || req.(*kmsg.MetadataRequest).Topics != nil {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		name := "a\x1b[2J\r\nb\u202ec\u009b1m"
		resp.Topics = []kmsg.MetadataResponseTopic{{Topic: &name}}
		return resp, nil, true
	})
	got := adminTyped(t, nil, "topic", "list", "-b", address, "-q")
	if got != (told{0, "a[2Jbc1m\n", ""}) {
		t.Errorf("got %+q", got.stdout)
	}
}

// The broker that --kafka brings is the command's own, and ends with it.
func TestACommandBringsItsOwnKafkaAndEndsIt(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	got := adminTyped(t, map[string]string{bootstrapEnv: nobodyListens(t)}, "topic", "create", "x", "--kafka", "embedded")
	if got.code != 0 || got.stdout != "Created topic x.\n" {
		t.Errorf("got %+v", got)
	}
	if running, err := broker.Status(); err != nil || len(running) != 0 {
		t.Errorf("left are %v, %v", running, err)
	}
}
