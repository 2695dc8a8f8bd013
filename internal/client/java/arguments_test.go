package java

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"redline/internal/client"
	"redline/internal/secret"
	"redline/internal/security"
)

// someTask is one that both tools can do.
func someTask(workload string, properties map[string]string) client.Task {
	task := client.Task{Workload: workload, Topic: "-t", Instances: 1, RecordSize: 100, Starts: map[int32]int64{0: 5}, Ends: map[int32]int64{0: 15, 3: 20}}
	task.Brokers, task.Properties = []string{"a:1", "b:2"}, properties
	return task
}

func TestPropertiesBecomeFlagsWhereTheToolHasItsOwn(t *testing.T) {
	for _, c := range []struct {
		tool           *tool
		workload       string
		properties     map[string]string
		profile        client.Profile
		flags          []string
		without        string
		file, settings map[string]string
	}{
		{
			&consumer, "consume", map[string]string{"max.partition.fetch.bytes": "7", "socket.receive.buffer.bytes": "-1", "max.poll.records": "9"}, client.Tuned,
			[]string{"--fetch-size=7", "--socket-buffer-size=-1", "--num-records=30", "--bootstrap-server=a:1,b:2", "--topic=-t", "--show-detailed-stats", "--reporting-interval=250"}, "--threads",
			map[string]string{"max.poll.records": "9", "client.id": "redline"},
			map[string]string{"max.partition.fetch.bytes": "7", "receive.buffer.bytes": "-1", "check.crcs": "false", "auto.offset.reset": "earliest"},
		},
		{
			&consumer, "consume", map[string]string{"check.crcs": "true", "client.id": "me"}, client.Defaults,
			nil, "--fetch-size",
			map[string]string{"client.id": "me"},
			map[string]string{"max.partition.fetch.bytes": "1048576", "receive.buffer.bytes": "2097152", "check.crcs": "false"},
		},
		{
			&shareConsumer, "consume", map[string]string{"fetch.max.bytes": "8"}, client.Defaults,
			[]string{"--fetch-size=8"}, "--threads",
			map[string]string{"enable.metrics.push": "false"},
			map[string]string{"fetch.max.bytes": "8", "share.auto.offset.reset": "earliest"},
		},
		{
			&producer, "produce", map[string]string{"acks": "1", "receive.buffer.bytes": "70000"}, client.Defaults,
			[]string{"--num-records=9223372036854775807", "--throughput=-1", "--record-size=100"}, "--group",
			map[string]string{"acks": "1", "receive.buffer.bytes": "70000"},
			map[string]string{"acks": "1"},
		},
	} {
		task := someTask(c.workload, c.properties)
		task.Profile = c.profile
		d, err := c.tool.draft("java", task)
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range c.flags {
			if !slices.Contains(d.arguments, flag) {
				t.Errorf("%s: %v has no %s", c.tool.class, d.arguments, flag)
			}
		}
		if slices.ContainsFunc(d.arguments, func(a string) bool { return strings.HasPrefix(a, c.without) }) {
			t.Errorf("%s: %v has %s", c.tool.class, d.arguments, c.without)
		}
		for key, value := range c.file {
			if d.properties[key] != value {
				t.Errorf("%s: %s=%q, want %q", c.tool.class, key, d.properties[key], value)
			}
		}
		for key, value := range c.settings {
			if d.settings[key] != value {
				t.Errorf("%s: in force %s=%q, want %q", c.tool.class, key, d.settings[key], value)
			}
		}
	}
}

func TestWhatCannotBeDoneIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		x      client.External
		task   client.Task
		change func(*client.Task)
		kind   error
		words  string
	}{
		"share groups are not produced to": {Share, someTask("produce", nil), nil, client.ErrCannot, "java-share cannot produce"},
		"two consumers":                    {Tools, someTask("consume", nil), func(task *client.Task) { task.Instances = 2 }, client.ErrCannot, "2 instances"},
		"two producers":                    {Tools, someTask("produce", nil), func(task *client.Task) { task.Instances = 2 }, client.ErrCannot, "2 instances"},
		"a handler":                        {Tools, someTask("consume", nil), func(task *client.Task) { task.Handler = "json" }, client.ErrCannot, "json"},
		"empty records":                    {Tools, someTask("produce", nil), func(task *client.Task) { task.RecordSize = 0 }, client.ErrCannot, "empty"},
		"librdkafka's own":                 {Tools, someTask("consume", map[string]string{"queued.min.messages": "1"}), nil, client.ErrUnknownProperty, "queued.min.messages"},
		"a slip":                           {Tools, someTask("produce", map[string]string{"linger.m": "1"}), nil, client.ErrUnknownProperty, `the nearest that it has is "linger.ms"`},
		"a producer's":                     {Tools, someTask("consume", map[string]string{"linger.ms": "1"}), nil, client.ErrUnknownProperty, "a property of producers"},
		"a consumer's":                     {Tools, someTask("produce", map[string]string{"fetch.min.bytes": "1"}), nil, client.ErrUnknownProperty, "a property of consumers"},
		"the workload's":                   {Tools, someTask("consume", map[string]string{"group.id": "g"}), nil, client.ErrProperty, "--group"},
		"the tool's":                       {Tools, someTask("produce", map[string]string{"value.serializer": "x"}), nil, client.ErrProperty, "ProducerPerformance decides it"},
		"transactions":                     {Tools, someTask("produce", map[string]string{"transactional.id": "x"}), nil, client.ErrProperty, "transactional.id"},
		"isolation of a share":             {Share, someTask("consume", map[string]string{"isolation.level": "read_committed"}), nil, client.ErrProperty, "isolation.level"},
		"no number":                        {Tools, someTask("consume", map[string]string{"receive.buffer.bytes": "64k"}), nil, client.ErrProperty, "a whole number of bytes"},
		"twice":                            {Tools, someTask("consume", map[string]string{"receive.buffer.bytes": "1", "socket.receive.buffer.bytes": "1"}), nil, client.ErrProperty, "two spellings"},
		"a profile":                        {Tools, someTask("consume", nil), func(task *client.Task) { task.Profile = "fast" }, nil, "no profile"},
		"nothing to read":                  {Tools, someTask("consume", nil), func(task *client.Task) { task.Ends = task.Starts }, nil, "nothing to read"},
		"tokens":                           {Tools, someTask("consume", nil), func(task *client.Task) { task.Security.SASL = &security.SASL{Mechanism: security.OAuthBearer} }, client.ErrCannot, "cannot carry"},
	} {
		t.Run(name, func(t *testing.T) {
			task := c.task
			if c.change != nil {
				c.change(&task)
			}
			err := c.x.Check(task)
			if err == nil || !strings.Contains(err.Error(), c.words) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("got %v; want %v, … %s", err, c.kind, c.words)
			}
			if _, again := c.x.Start(t.Context(), task); again == nil {
				t.Error("it starts all the same")
			}
		})
	}
}

func TestWithoutJavaOrJarsItCannot(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	t.Setenv("REDLINE_CACHE", t.TempDir())
	task := someTask("produce", nil)
	if err := Tools.Check(task); !errors.Is(err, client.ErrCannot) || !strings.Contains(err.Error(), "openjdk") {
		t.Errorf("without Java: %v", err)
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin", "java"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", home)
	if err := Tools.Check(task); !errors.Is(err, client.ErrCannot) || !strings.Contains(err.Error(), "Maven") {
		t.Errorf("without jars: %v", err)
	}
	if _, err := Tools.Start(t.Context(), task); !errors.Is(err, client.ErrCannot) {
		t.Errorf("started without jars: %v", err)
	}
}

func TestSecretsStandInFilesOfOurOwnAlone(t *testing.T) {
	const password = "§ecret 😀"
	t.Setenv("TMPDIR", t.TempDir())
	d := fakeDraft("exec sleep 60")
	d.task.Security.SASL = &security.SASL{Mechanism: security.Plain, User: "u", Password: secret.New(password)}
	d.task.Properties = map[string]string{"ssl.key.password": "hush"}
	p, err := start(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(t.Context()) //nolint:errcheck // what it came to is not asked
	files, err := filepath.Glob(filepath.Join(p.folder, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, file := range append(files, p.folder) {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	config, err := os.ReadFile(filepath.Join(p.folder, "client.properties"))
	if err != nil || !strings.Contains(string(config), `sasl.jaas.config=`) || !strings.Contains(string(config), `\ud83d\ude00`) {
		t.Errorf("%s, %v", config, err)
	}
	for key, value := range p.Settings() {
		if strings.Contains(value, "😀") || strings.Contains(value, "hush") {
			t.Errorf("%s shows a secret", key)
		}
	}
	if said := strings.Join(p.child.Cmd.Args, " "); strings.Contains(said, "😀") {
		t.Errorf("the command shows a secret")
	}
}

func TestReportsComeAsOftenAsAskedWithinBounds(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{
		0: usualInterval, time.Millisecond: leastInterval, 300 * time.Millisecond: 300 * time.Millisecond, time.Hour: mostInterval,
	} {
		if got := intervalOf(client.Task{Every: every}); got != want {
			t.Errorf("every %v: %v, want %v", every, got, want)
		}
	}
}

func TestProfilesHoldPropertiesThatTheToolHasEachWithItsReason(t *testing.T) {
	for _, tool := range []*tool{&consumer, &shareConsumer, &producer} {
		for _, p := range tool.tuned {
			if err := tool.checkProperty("java", p.Key, p.Key, p.Value); err != nil || p.Reason == "" {
				t.Errorf("%s: %+v, %v", tool.class, p, err)
			}
		}
		if len(tool.names) < 50 || slices.Contains(tool.names, "") {
			t.Errorf("%s: %d properties", tool.class, len(tool.names))
		}
	}
}

func TestItSaysWhatItDoesLess(t *testing.T) {
	if len(Tools.Lighter("consume")) == 0 || len(Tools.Lighter("produce")) == 0 || len(Share.Lighter("consume")) == 0 || Share.Lighter("produce") != nil {
		t.Error("something is not said")
	}
	if Tools.Version() != "Apache Kafka 4.3.1 tools" {
		t.Error(Tools.Version())
	}
}
