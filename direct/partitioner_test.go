package direct

import (
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

func TestKeysGoWhereKafkasClientsPutThem(t *testing.T) {
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("topic") // without a hasher: Kafka's
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		n := rapid.IntRange(1, 5000).Draw(t, "partitions")
		if key == nil {
			key = []byte{}
		}
		want := franz.Partition(&kgo.Record{Key: key}, n)
		if got := KeyPartition(key, n); int(got) != want {
			t.Errorf("key %x of %d partitions goes to %d, and franz-go's to %d", key, n, got, want)
		}
		if got := ByKey().Partition(key, nil, n); int(got) != want {
			t.Errorf("ByKey says %d", got)
		}
	})
}

func TestAStickyPartitionerStaysAndGoesOn(t *testing.T) {
	s := Sticky()
	value := make([]byte, 1023)
	first := s.Partition(nil, value, 10)
	for i := range stickyBytes/1024 - 1 {
		if got := s.Partition(nil, value, 10); got != first {
			t.Fatalf("it left after %d records", i+1)
		}
	}
	if s.Partition(nil, value, 10) == first {
		t.Error("it stays where it was")
	}
	seen := map[int32]int{}
	for range 100_000 {
		seen[s.Partition(nil, value, 10)]++
	}
	for p := range int32(10) {
		if seen[p] < 5000 || seen[p] > 15000 {
			t.Errorf("partition %d got %d of 100,000", p, seen[p])
		}
	}
}

func TestAStickyPartitionerAvoidsWhatCannotBeUsed(t *testing.T) {
	s := &sticky{usable: func(p int32) bool { return p == 2 || p == 3 }}
	bad := 0
	for range 1000 {
		if p := s.Partition(nil, make([]byte, stickyBytes), 4); p < 2 {
			bad++
		}
	}
	if bad > 100 { // a few draws may all fail
		t.Errorf("%d of 1000 went to partitions without a leader", bad)
	}
}

func TestPartitionersMayBeCalledAtOnce(t *testing.T) {
	p := ByKey()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 20_000 {
				if got := p.Partition(nil, make([]byte, i%2000), 1+i%7); got < 0 || int(got) > i%7 {
					t.Errorf("partition %d of %d", got, 1+i%7)
				}
			}
		})
	}
	all.Wait()
}
