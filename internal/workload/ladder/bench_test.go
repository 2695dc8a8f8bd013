package ladder

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"redline/direct/batch"
	"redline/internal/audit"
	"redline/internal/payload"
)

// fetched is a sample as fetches of 4 MiB bring it from 8 partitions: stamped values of
// 100 bytes, in so many batches of so many bytes for each.
func fetched(t testing.TB, c batch.Codec, batches, size int) *Sample {
	t.Helper()
	const partitions = 8
	source, err := payload.New(payload.Config{Size: 100, Kind: payload.Text, Partitions: partitions, Run: 7, Acks: audit.AcksLeader})
	if err != nil {
		t.Fatal(err)
	}
	ledger := audit.NewLedger("topic")
	source.Producer(0, ledger)
	b := builder{room: size, codec: c, values: draw(source)}
	s := &Sample{options: defaults(), topic: "topic"}
	var all [partitions]*partition
	var targets [partitions]*target
	for p := range int32(partitions) {
		all[p] = &partition{id: p, end: 1 << 40}
		targets[p] = &target{id: p, writer: ledger.Writer(0, p)}
	}
	for range batches {
		for p := range all {
			raw, made, err := b.append(nil, targets[p], time.Now().UnixNano())
			if err != nil {
				t.Fatal(err)
			}
			binary.BigEndian.PutUint64(raw, uint64(all[p].next)) // as the broker does
			one, rest, whole, err := batch.Cut(raw)
			if err != nil || !whole || len(rest) > 0 {
				t.Fatalf("a batch that was built cannot be cut off: %v", err)
			}
			if err := s.add(&chunk{partition: all[p]}, &one); err != nil {
				t.Fatal(err)
			}
			all[p].next += int64(made.records)
		}
	}
	return s
}

// BenchmarkStep times each step of consuming alone, on bytes in memory as a trial sees
// them, and reports nanoseconds a record.
func BenchmarkStep(b *testing.B) {
	for _, c := range []batch.Codec{batch.None, batch.Snappy, batch.LZ4, batch.Zstd, batch.Gzip} {
		sample := fetched(b, c, 4, 1_000_000)
		for _, step := range []string{"crc", "decompress", "decode", "account"} {
			if c != batch.None && step != "decompress" {
				continue
			}
			b.Run(c.String()+"/"+step, func(b *testing.B) {
				var ns float64
				for range b.N {
					var err error
					if ns, err = sample.Alone(step, 200*time.Millisecond); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(ns, "ns/record")
			})
		}
	}
}

// BenchmarkBuild times what a rung of producing does for a record, without a socket.
func BenchmarkBuild(b *testing.B) {
	source, err := payload.New(payload.Config{Size: 100, Kind: payload.Text, Partitions: 1, Run: 7, Acks: audit.AcksLeader})
	if err != nil {
		b.Fatal(err)
	}
	build := func(name string, c batch.Codec, stamp bool) {
		b.Run(name, func(b *testing.B) {
			ledger := audit.NewLedger("topic")
			source.Producer(0, ledger)
			to := &target{}
			if stamp {
				to.writer = ledger.Writer(0, 0)
			}
			builder := builder{room: 1_000_000, codec: c, values: draw(source)}
			b.ReportAllocs()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			began := threadTime()
			var raw []byte
			for done := 0; done < b.N; {
				var made part
				if raw, made, err = builder.append(raw[:0], to, 0); err != nil {
					b.Fatal(err)
				}
				done += made.records
			}
			b.ReportMetric(float64(threadTime()-began)/float64(b.N), "cpu-ns/record")
		})
	}
	build("build", batch.None, false)
	build("stamp", batch.None, true)
	for _, c := range []batch.Codec{batch.Snappy, batch.LZ4, batch.Zstd, batch.Gzip} {
		build("compress/"+c.String(), c, true)
	}
	b.Run("acknowledge", func(b *testing.B) {
		ledger := audit.NewLedger("topic")
		source.Producer(0, ledger)
		p := &producer{count: new(count), builder: builder{values: draw(source)}}
		to := &target{writer: ledger.Writer(0, 0)}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := threadTime()
		for done := 0; done < b.N; done += 9000 {
			p.acknowledged(&part{target: to, first: uint64(done), records: 9000}, int64(done))
		}
		b.ReportMetric(float64(threadTime()-began)/float64(b.N), "cpu-ns/record")
	})
}
