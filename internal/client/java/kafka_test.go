package java

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/client"
	"redline/internal/connection"
	"redline/internal/secret"
	"redline/internal/security"
)

// cluster is real Apache Kafka with a topic.
type cluster struct {
	*kgo.Client
	admin *kadm.Client
	addrs []string
	how   security.Security
}

// kafka starts it for one test.
func kafka(t *testing.T, secure broker.Secure, topics ...string) cluster {
	t.Helper()
	if os.Getenv("REDLINE_TEST_KAFKA") == "" {
		t.Skip("needs Java and Kafka's jars: set REDLINE_TEST_KAFKA=1")
	}
	// No test may leave files behind: neither ours, nor secrets.
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("REDLINE_STATE", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b, err := broker.Start(ctx, broker.Config{Kind: broker.Local, Heap: "512m", Secure: secure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	how := security.Security{}
	if file := b.State().ClientProperties; file != "" {
		connected, err := connection.FromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		how = connected.Security
	}
	opts := append(how.FranzOptions(groupDial), kgo.SeedBrokers(b.Addrs()...), kgo.DisableClientMetrics(), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	c := cluster{cl, kadm.NewClient(cl), b.Addrs(), how}
	for _, topic := range topics {
		if _, err := c.admin.CreateTopic(ctx, 4, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// fill writes n records of 100 bytes, every third with a key of 10.
func (c cluster) fill(t *testing.T, topic string, n int) {
	t.Helper()
	value, key := []byte(strings.Repeat("v", 100)), []byte("0123456789")
	for i := range n {
		r := &kgo.Record{Topic: topic, Value: value}
		if i%3 == 0 {
			r.Key = key
		}
		c.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// task is one over all records of a topic.
func (c cluster) task(t *testing.T, topic string) client.Task {
	t.Helper()
	task := client.Task{Workload: "consume", Topic: topic, Instances: 1, Every: 100 * time.Millisecond, RecordSize: 100}
	task.Brokers, task.Security, task.Starts, task.Ends = c.addrs, c.how, map[int32]int64{}, c.ends(t, topic)
	return task
}

func (c cluster) ends(t *testing.T, topic string) map[int32]int64 {
	t.Helper()
	listed, err := c.admin.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// noneLeft fails when a group, a process or a file of the tool is still there.
func (c cluster) noneLeft(t *testing.T, p client.Process) {
	t.Helper()
	groups, err := c.admin.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if names := groups.Groups(); len(names) > 0 {
		t.Errorf("groups are left: %v", names)
	}
	if syscall.Kill(p.PID(), 0) == nil {
		t.Errorf("process %d is left", p.PID())
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "redline-java-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func started(t *testing.T, x client.External, task client.Task) client.Process {
	t.Helper()
	if err := x.Check(task); err != nil {
		t.Fatal(err)
	}
	p, err := x.Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: process %d, %v", x.Name(), p.PID(), p.Settings())
	return p
}

func stopped(t *testing.T, p client.Process) client.Told {
	t.Helper()
	told, err := p.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", told)
	return told
}

// reports waits for n marks, and fails when none comes.
func reports(t *testing.T, p client.Process, n int) {
	t.Helper()
	for range n {
		select {
		case <-p.Reported():
		case <-p.Done():
			_, err := p.Stop(t.Context())
			t.Fatalf("it ended: %v", err)
		case <-time.After(time.Minute):
			t.Fatal("it reports nothing")
		}
	}
}

func TestKafkasConsumersReadAllThereIsAndEndByThemselves(t *testing.T) {
	const n = 300_000
	c := kafka(t, broker.Secure{}, "full")
	c.fill(t, "full", n)
	profiles := []client.Profile{client.Tuned, client.Defaults}
	for _, x := range []client.External{Tools, Share} {
		for instances := 1; instances <= 2; instances++ {
			if instances > 1 && x.Name() == "java" {
				continue
			}
			for _, profile := range profiles {
				t.Run(fmt.Sprintf("%s, %d, %s", x.Name(), instances, profile), func(t *testing.T) {
					// Numbers must be read where Java speaks another language, too.
					t.Setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.language.format=de")
					task := c.task(t, "full")
					task.Profile, task.Instances = profile, instances
					p := started(t, x, task)
					<-p.Done()
					told := stopped(t, p)
					if told.Records != n || p.Records() > n || p.Records() < 1 || p.Rewinds() != 0 || told.Errors != 0 {
						t.Errorf("told %d records, counted %d, of %d", told.Records, p.Records(), n)
					}
					if most := int64(n*100 + n/3*10); told.Bytes > most+100 || x.Name() == "java-share" && told.Bytes < most-100 {
						t.Errorf("told %d bytes of %d", told.Bytes, most)
					}
					if x.Name() == "java-share" && told.RecordsPerSecond <= 0 {
						t.Errorf("told no rate: %+v", told)
					}
					c.noneLeft(t, p)
				})
			}
		}
	}
}

func TestKafkasConsumerThatIsStoppedLeavesNoGroup(t *testing.T) {
	c := kafka(t, broker.Secure{}, "large")
	c.fill(t, "large", 2_000_000)
	for _, x := range []client.External{Tools, Share} {
		for _, protocol := range []string{"classic", "consumer"} {
			if protocol == "consumer" && x.Name() == "java-share" {
				continue
			}
			t.Run(x.Name()+" "+protocol, func(t *testing.T) {
				task := c.task(t, "large")
				// Slow enough to be stopped on the way.
				task.Properties = map[string]string{"fetch.max.bytes": "20000", "max.poll.records": "10"}
				if x.Name() == "java" {
					task.Properties["group.protocol"] = protocol
				}
				p := started(t, x, task)
				reports(t, p, 3)
				told := stopped(t, p)
				if told.Records < 1 || told.Records >= 2_000_000 || told.RecordsPerSecond <= 0 {
					t.Errorf("told %+v", told)
				}
				c.noneLeft(t, p)
			})
		}
	}
}

func TestKafkasProducerIsCountedByItsLines(t *testing.T) {
	c := kafka(t, broker.Secure{}, "empty", "filled")
	for _, topic := range []string{"empty", "filled"} {
		t.Run(topic, func(t *testing.T) {
			task := c.task(t, topic)
			task.Workload = "produce"
			if topic == "empty" {
				task.Profile = client.Defaults
			}
			p := started(t, Tools, task)
			reports(t, p, 10)
			told := stopped(t, p)
			var landed int64
			for _, end := range c.ends(t, topic) {
				landed += end
			}
			t.Logf("%d landed", landed)
			// What is open: a report's time, and what the producer had in its buffer.
			open := int64(told.RecordsPerSecond) + 128<<20/100
			if told.Records < 1 || told.Bytes != 100*told.Records || landed < told.Records || landed > told.Records+open {
				t.Errorf("told %+v, and %d landed", told, landed)
			}
			c.noneLeft(t, p)
		})
	}
}

func TestKafkasToolsConnectAsRedlineDoes(t *testing.T) {
	c := kafka(t, broker.Secure{MTLS: true, SASL: security.ScramSHA256, ACL: true}, "secured")
	task := c.task(t, "secured")
	task.Workload = "produce"
	p := started(t, Tools, task)
	reports(t, p, 5)
	stopped(t, p)
	c.noneLeft(t, p)
	for _, x := range []client.External{Tools, Share} {
		task := c.task(t, "secured")
		p := started(t, x, task)
		<-p.Done()
		if told := stopped(t, p); told.Records != recordsOf(task) {
			t.Errorf("%s told %+v of %d records", x.Name(), told, recordsOf(task))
		}
		c.noneLeft(t, p)
	}
	task = c.task(t, "secured")
	task.Security = security.Security{TLS: c.how.TLS, SASL: &security.SASL{Mechanism: security.ScramSHA256, User: "admin", Password: secret.New("wrong")}}
	task.Workload = "produce"
	p, err := Tools.Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
	}
	told, err := p.Stop(t.Context())
	t.Logf("with a wrong password: %+v, %v", told, err)
	if told.Records != 0 || err == nil || !strings.Contains(err.Error(), "uthentication failed") {
		t.Errorf("told %+v, %v", told, err)
	}
}
