package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cpu is what a process has used in user and kernel mode.
func cpu(t testing.TB, pid int) (user, system time.Duration) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	ticks := func(i int) time.Duration {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * 10 * time.Millisecond
	}
	return ticks(11), ticks(12)
}

// benchSink runs records through a null sink in a process of its own for two seconds
// and reports the rate and what it cost the sink.
func benchSink(b *testing.B, run func(ctx context.Context, addr string) (records int64)) {
	b.Helper()
	b.Setenv("REDLINE_STATE", b.TempDir())
	sink, err := Start(b.Context(), Config{Kind: Null, Properties: map[string]string{"num.partitions": "8", "null.records": strconv.Itoa(1 << 40)}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := sink.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(sink.Addrs()...))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := kadm.NewClient(client).CreateTopic(b.Context(), 8, 1, nil, "bench"); err != nil {
		b.Fatal(err)
	}
	client.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second)
	defer cancel()
	user, system := cpu(b, sink.PIDs()[0])
	began := time.Now()
	b.ResetTimer()
	records := run(ctx, sink.Addrs()[0])
	took := time.Since(began)
	userEnd, systemEnd := cpu(b, sink.PIDs()[0])
	b.ReportMetric(float64(records)/took.Seconds()/1e6, "M/s")
	b.ReportMetric(float64(userEnd-user)/float64(records), "sink-user-ns/record")
	b.ReportMetric(float64(systemEnd-system)/float64(records), "sink-sys-ns/record")
	b.ReportMetric(0, "ns/op")
}

// readRaw asks for the same again and again, and decodes nothing.
func readRaw(ctx context.Context, addr string, partitions []int32, partitionBytes int32) (records int64, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 11, 500, 1, 64<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "bench"
	for _, p := range partitions {
		one := kmsg.NewFetchRequestTopicPartition()
		one.Partition, one.PartitionMaxBytes = p, partitionBytes
		topic.Partitions = append(topic.Partitions, one)
	}
	request.Topics = append(request.Topics, topic)
	message := kmsg.NewRequestFormatter().AppendRequest(nil, request, 1)
	batches := prepare(usualShape, time.Now())
	batch := batches.size(len(batches.ends) - 1)
	if _, err := conn.Write(message); err != nil {
		return 0, err
	}
	buffer := make([]byte, 1<<20)
	for ctx.Err() == nil {
		if _, err := io.ReadFull(conn, buffer[:4]); err != nil {
			return records, err
		}
		// The next is asked for while this one comes.
		if _, err := conn.Write(message); err != nil {
			return records, err
		}
		left := int(binary.BigEndian.Uint32(buffer))
		records += int64(left / batch * mostPreparedRecords)
		for left > 0 {
			n, err := conn.Read(buffer[:min(left, len(buffer))])
			if err != nil {
				return records, err
			}
			left -= n
		}
	}
	return records, nil
}

func BenchmarkNullSink(b *testing.B) {
	for _, connections := range []int{1, 2} {
		for _, partitionBytes := range []int32{256 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("raw/connections=%d/partitionKiB=%d", connections, partitionBytes>>10), func(b *testing.B) {
				benchSink(b, func(ctx context.Context, addr string) (records int64) {
					var all sync.WaitGroup
					var mu sync.Mutex
					for i := range connections {
						all.Go(func() {
							partitions := []int32{0, 1, 2, 3, 4, 5, 6, 7}[i*8/connections : (i+1)*8/connections]
							n, err := readRaw(ctx, addr, partitions, partitionBytes)
							if err != nil {
								b.Error(err)
							}
							mu.Lock()
							defer mu.Unlock()
							records += n
						})
					}
					all.Wait()
					return records
				})
			})
		}
	}
	b.Run("franz/consume", func(b *testing.B) {
		benchSink(b, func(ctx context.Context, addr string) (records int64) {
			client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("bench"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			for ctx.Err() == nil {
				records += int64(client.PollFetches(ctx).NumRecords())
			}
			return records
		})
	})
	b.Run("franz/produce", func(b *testing.B) {
		benchSink(b, func(ctx context.Context, addr string) (records int64) {
			client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("bench"), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1_000_000), kgo.ProducerLinger(5*time.Millisecond))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			value := make([]byte, 100)
			for ctx.Err() == nil {
				client.Produce(context.Background(), &kgo.Record{Value: value}, nil)
				records++
			}
			if err := client.Flush(context.Background()); err != nil {
				b.Error(err)
			}
			return records
		})
	})
}

// BenchmarkSocket shows what a file costs that is larger than the processor's caches.
func BenchmarkSocket(b *testing.B) {
	for _, file := range []int{1 << 20, 256 << 20} {
		for _, size := range []int{64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("fileMiB=%d/readKiB=%d", file>>20, size>>10), func(b *testing.B) {
				benchSocket(b, file, size)
			})
		}
	}
}

// benchSocket reads a file of so many bytes for a second, so many at once.
func benchSocket(b *testing.B, file, size int) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bytes")
	if err := os.WriteFile(path, make([]byte, file), 0o644); err != nil {
		b.Fatal(err)
	}
	s, err := StartSocket(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", s.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, size)
	var read int
	began := time.Now()
	for time.Since(began) < time.Second {
		n, err := conn.Read(buffer)
		if err != nil {
			b.Fatal(err)
		}
		read += n
	}
	b.ReportMetric(float64(read)/time.Since(began).Seconds()/1e9, "GB/s")
	b.ReportMetric(0, "ns/op")
}
