package direct

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"redline/direct/batch"
)

// comparable is a config without its functions.
func (c ConsumerConfig) comparable() ConsumerConfig {
	c.OnError, c.OnAssigned, c.OnRevoked = nil, nil, nil
	return c
}

func (c ProducerConfig) comparable() ProducerConfig {
	c.OnAck, c.OnError = nil, nil
	return c
}

func TestACompleteConfigHasEveryDefaultAndStaysAsItIs(t *testing.T) {
	consumer, err := ConsumerConfig{Topic: "topic", Group: "group", CommitEvery: -1, FetchMaxWait: time.Second}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if consumer.Connections < 1 || consumer.FetchMaxBytes == 0 || consumer.PartitionMaxBytes == 0 || consumer.FetchMinBytes != 1 || consumer.FetchMaxWait != time.Second || consumer.CommitEvery != -1 || consumer.MaxDecompressed == 0 {
		t.Errorf("%+v", consumer)
	}
	if again, err := consumer.Complete(); err != nil || !reflect.DeepEqual(again.comparable(), consumer.comparable()) {
		t.Errorf("completed again it is %+v: %v", again, err)
	}
	producer, err := ProducerConfig{Topic: "topic", Linger: -1}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if producer.BatchBytes != defaultBatchBytes || producer.InFlight != 5 || producer.Connections < 1 || producer.RequestTimeout != 30*time.Second || producer.Linger > 0 {
		t.Errorf("%+v", producer)
	}
	if again, err := producer.Complete(); err != nil || !reflect.DeepEqual(again.comparable(), producer.comparable()) {
		t.Errorf("completed again it is %+v: %v", again, err)
	}
}

func TestASettingInForceIsTheOneThatWasTold(t *testing.T) {
	cluster := fake(t, 1)
	asked := ConsumerConfig{Topic: "topic", Assign: all(1, Earliest)}
	told, err := asked.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, cluster, asked).Settings(); !reflect.DeepEqual(got.comparable(), told.comparable()) {
		t.Errorf("in force is %+v, told was %+v", got, told)
	}
	for _, linger := range []time.Duration{0, -1, time.Second} {
		sent := ProducerConfig{Topic: "topic", Linger: linger}
		told, err := sent.Complete()
		if err != nil {
			t.Fatal(err)
		}
		p, _ := produceTo(t, cluster, sent)
		got := p.Settings()
		got.Partitioner = nil // which knows of lost leaders
		if !reflect.DeepEqual(got.comparable(), told.comparable()) {
			t.Errorf("in force is %+v, told was %+v", got, told)
		}
	}
}

func TestWhatCannotBeIsNotCompleted(t *testing.T) {
	for want, completed := range map[string]func() error{
		"cannot consume: no topic was named": func() error { _, err := ConsumerConfig{Group: "group"}.Complete(); return err },
		"cannot produce: no topic was named": func() error { _, err := ProducerConfig{}.Complete(); return err },
		"level 99": func() error {
			_, err := ProducerConfig{Topic: "topic", Compression: batch.Gzip, CompressionLevel: 99}.Complete()
			return err
		},
	} {
		if err := completed(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
