//go:build cgo

package confluent

import (
	"context"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

func TestMain(m *testing.M) { clienttest.Main(m) }

func TestConformance(t *testing.T) {
	clienttest.Conformance(t, Library, "fetch.max.byte", "fetch.max.bytes")
}

func TestJavaSpellingsReachLibrdkafka(t *testing.T) {
	for _, tt := range []struct {
		side             client.Side
		key, value       string
		inForce, becomes string
	}{
		{client.Consuming, "fetch.max.wait.ms", "20", "fetch.wait.max.ms", "20"},
		{client.Consuming, "max.partition.fetch.bytes", "4096", "max.partition.fetch.bytes", "4096"},
		{client.Consuming, "fetch.message.max.bytes", "4096", "max.partition.fetch.bytes", "4096"},
		{client.Consuming, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "partition.assignment.strategy", "cooperative-sticky"},
		{client.Consuming, "receive.buffer.bytes", "65536", "socket.receive.buffer.bytes", "65536"},
		{client.Producing, "buffer.memory", "33554432", "queue.buffering.max.kbytes", "32768"},
		{client.Producing, "queue.buffering.max.ms", "9", "linger.ms", "9"},
		{client.Producing, "compression.codec", "lz4", "compression.type", "lz4"},
		{client.Producing, "request.required.acks", "1", "acks", "1"},
		{client.Producing, "delivery.timeout.ms", "5000", "delivery.timeout.ms", "5000"},
	} {
		o := client.Options{Brokers: []string{"127.0.0.1:1"}, Properties: map[string]string{tt.key: tt.value}}
		var made interface {
			Settings() map[string]string
			Close(context.Context) error
		}
		var err error
		if tt.side == client.Consuming {
			made, err = Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
		} else {
			made, err = Library.Producer(client.ProduceOptions{Options: o, Topic: "topic"})
		}
		if err != nil {
			t.Errorf("%s=%s: %v", tt.key, tt.value, err)
			continue
		}
		if got := made.Settings()[tt.inForce]; got != tt.becomes {
			t.Errorf("%s=%s: %s=%q in force, want %q", tt.key, tt.value, tt.inForce, got, tt.becomes)
		}
		if err := made.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The table is written down from librdkafka's documentation; librdkafka itself
// says here that it has each key and takes each default.
func TestEachPropertyOfTheTableIsLibrdkafkas(t *testing.T) {
	for _, row := range properties.Rows {
		fallback, there := row.Show(&draft{})
		if !there || strings.HasPrefix(row.Name, "go.") {
			continue
		}
		config := &kafka.ConfigMap{"group.id": "group", "log_level": "0", row.Name: fallback}
		if row.Side&client.Consuming != 0 {
			c, err := kafka.NewConsumer(config)
			if err != nil {
				t.Errorf("%s: %v", row.Name, err)
				continue
			}
			_ = c.Close()
			continue
		}
		delete(*config, "group.id")
		p, err := kafka.NewProducer(config)
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
			continue
		}
		p.Close()
	}
}

func TestFewerAcksTakeBackTheProfilesIdempotence(t *testing.T) {
	o := client.Options{Brokers: []string{"127.0.0.1:1"}, Properties: map[string]string{"acks": "1", "enable.idempotence": "true"}}
	if p, err := Library.Producer(client.ProduceOptions{Options: o, Topic: "topic"}); err == nil {
		t.Error("acks=1 with idempotence was taken")
		_ = p.Close(t.Context())
	}
}
