package cluster

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transact writes 10 records to each of two partitions in one transaction.
func transact(t *testing.T, address, id string, end kgo.TransactionEndTry) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.TransactionalID(id), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		client.Produce(t.Context(), &kgo.Record{Partition: int32(i % 2), Value: []byte(strconv.Itoa(i))}, nil)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func TestTheTailOfATransactionHoldsNoRecord(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	address := k.ListenAddrs()[0]
	transact(t, address, "committed", kgo.TryCommit) // 0 … 9, and its marker at 10
	transact(t, address, "aborted", kgo.TryAbort)    // 11 … 20, and its marker at 21
	c, err := Connect(t.Context(), Config{Brokers: []string{address}, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, test := range []struct {
		name      string
		from, to  int64
		committed bool
		drained   bool
	}{
		{"a marker", 21, 22, false, true},
		{"records and markers", 11, 22, false, false},
		{"aborted records", 11, 22, true, true},
		{"committed records", 9, 22, true, false},
		{"a marker before more", 10, 11, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Range{test.from, test.to}
			drained, err := c.Drained(t.Context(), "t", map[int32]Range{0: r, 1: r}, test.committed)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(drained)
			if want := []int32{0, 1}; test.drained != slices.Equal(drained, want) || !test.drained && len(drained) > 0 {
				t.Errorf("drained %v", drained)
			}
		})
	}
}
