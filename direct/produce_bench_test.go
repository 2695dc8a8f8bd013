package direct

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/batch"
)

// BenchmarkProduce sends values of 100 bytes to 8 partitions of a broker in this process
// that throws them away, in place and with franz-go, whose settings are as alike as they
// can be. An operation is a record; the broker's CPU is in the time.
func BenchmarkProduce(b *testing.B) {
	const partitions = 8
	value := make([]byte, 100)
	now := time.Now()
	blackhole := func(b *testing.B) []kgo.Opt {
		b.Helper()
		return seeds(fake(b, partitions, kfake.NumBrokers(1), kfake.BlackholeProduce()))
	}
	for _, codec := range []batch.Codec{batch.None, batch.LZ4} {
		b.Run("direct/"+codec.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			p, err := NewProducer(b.Context(), ProducerConfig{Kafka: blackhole(b), Topic: "topic", Compression: codec, OnAck: func(a Ack) {
				if a.Err != nil {
					b.Error(a.Err)
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = p.Close(context.Background()) }() // Flush has told
			r := Record{Value: value, Timestamp: now}
			for i := 0; b.Loop(); i++ {
				r.Partition = int32(i % partitions)
				if err := p.Send(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
		b.Run("franz/"+codec.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			compression := kgo.NoCompression()
			if codec != batch.None {
				compression = kgo.Lz4Compression()
			}
			cl, err := kgo.NewClient(append(blackhole(b), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("topic"),
				kgo.ProducerBatchCompression(compression), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(500_000))...)
			if err != nil {
				b.Fatal(err)
			}
			defer cl.Close()
			records := make([]kgo.Record, 1<<20)
			var failed atomic.Int64
			promise := func(_ *kgo.Record, err error) {
				if err != nil {
					failed.Add(1)
				}
			}
			for i := 0; b.Loop(); i++ {
				r := &records[i%len(records)]
				*r = kgo.Record{Partition: int32(i % partitions), Value: value, Timestamp: now}
				cl.Produce(b.Context(), r, promise)
			}
			if err := cl.Flush(b.Context()); err != nil || failed.Load() > 0 {
				b.Fatal(err, failed.Load())
			}
		})
	}
}

// BenchmarkSend is what a record costs whoever sends it, and sealing: the other side takes
// batches and acknowledges them without a connection.
func BenchmarkSend(b *testing.B) {
	p := unconnected(b, ProducerConfig{})
	t := p.all()[0]
	r := Record{Value: make([]byte, 100), Timestamp: time.Now()}
	b.ReportAllocs()
	b.SetBytes(100)
	for b.Loop() {
		if err := p.Send(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		if len(t.window.left()) > 0 {
			acknowledge(b, p)
		}
	}
}
