package direct

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

func TestMain(m *testing.M) { clienttest.Main(m) }

func TestConformance(t *testing.T) {
	clienttest.Conformance(t, Library, "fetch.max.byte", "fetch.max.bytes")
}

// No spelling is given twice, and a value that is shown can be typed again.
func TestEachPropertyTakesWhatItShows(t *testing.T) {
	clienttest.SpelledOnce(t, properties)
	for side, user := range map[client.Side]map[string]string{
		client.Consuming:                   {"fetch.max.bytes": "1000000", "connections.per.broker": "3", "check.crcs": "false", "isolation.level": "read_committed", "fetch.max.wait.ms": "20"},
		client.Consuming | client.Grouping: {"session.timeout.ms": "20000", "auto.commit.interval.ms": "500", "partition.assignment.strategy": "range,sticky", "enable.auto.commit": "false"},
		client.Producing:                   {"acks": "1", "enable.idempotence": "false", "linger.ms": "2.5", "batch.size": "20000", "compression.type": "zstd", "max.in.flight.requests.per.connection": "9"},
	} {
		d := newDraft(side)
		if err := d.apply(client.Options{Properties: user}); err != nil {
			t.Fatal(err)
		}
		for key, value := range user {
			if got := d.settings()[key]; got != value {
				t.Errorf("%s: %q is shown as %q", key, value, got)
			}
		}
	}
}

func TestWhatNobodyAskedForIsShownAsItIs(t *testing.T) {
	for _, c := range []struct {
		side client.Side
		user map[string]string
		want map[string]string
	}{
		{client.Consuming | client.Grouping, nil, map[string]string{"client.id": "redline", "session.timeout.ms": "45000", "heartbeat.interval.ms": "3000", "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": "true"}},
		{client.Consuming | client.Grouping, map[string]string{"enable.auto.commit": "false", "group.instance.id": "one"}, map[string]string{"enable.auto.commit": "false", "auto.commit.interval.ms": "", "group.instance.id": "one"}},
		{client.Producing, map[string]string{"linger.ms": "0"}, map[string]string{"linger.ms": "0", "acks": "all", "enable.idempotence": "true", "compression.type": "none"}},
	} {
		d := newDraft(c.side)
		if err := d.apply(client.Options{Properties: c.user}); err != nil {
			t.Fatal(err)
		}
		for key, want := range c.want {
			if got := d.settings()[key]; got != want {
				t.Errorf("%v: %s is shown as %q, want %q", c.user, key, got, want)
			}
		}
	}
}

// Nobody is connected to, and nothing is waited for.
func TestWhatDirectChoosesIsShownAtOnce(t *testing.T) {
	o := client.Options{Brokers: []string{"127.0.0.1:1"}, Profile: client.Tuned}
	began := time.Now()
	c, err := Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Library.Producer(client.ProduceOptions{Options: o, Topic: "topic"})
	if err != nil {
		t.Fatal(err)
	}
	settings := c.Settings()
	maps.Copy(settings, p.Settings())
	for _, name := range []string{"connections.per.broker", "fetch.max.bytes", "fetch.max.wait.ms", "batch.size", "linger.ms", "produce.connections", "buffer.memory", "delivery.timeout.ms"} {
		if settings[name] == "" || settings[name] == "0" {
			t.Errorf("%s is shown as %q", name, settings[name])
		}
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	for _, end := range []func(context.Context) error{c.Close, p.Close} {
		if err := end(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatFranzGoRefusesIsRefusedBeforehand(t *testing.T) {
	asked := map[string]string{"session.timeout.ms": "1000", "heartbeat.interval.ms": "2000"}
	if err := Library.CheckConsumer(client.Options{Profile: client.Tuned, Properties: asked}); err == nil {
		t.Error("a member that beats less often than its session lasts was taken")
	}
}

func TestWhatDependsOnEachOtherIsSettled(t *testing.T) {
	for _, refused := range []map[string]string{
		{"acks": "1", "enable.idempotence": "true"},
		{"max.in.flight.requests.per.connection": "6"},
		{"acks": "2"},
		{"compression.type": "brotli"},
	} {
		if err := Library.CheckProducer(client.Options{Profile: client.Tuned, Properties: refused}); err == nil {
			t.Errorf("%s was taken", fmt.Sprint(refused))
		}
	}
}
