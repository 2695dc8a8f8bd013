package ladder

import (
	"os"
	"testing"

	"redline/internal/client/clienttest"
)

func TestTheSocketCarriesTheSameRecords(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 4000)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := readingSpec(t, address, "socket")
	c := climb(t, s)
	await(t, c, "a size of reads", func() bool { return c.Settings()["socket.read.bytes"] != "" && c.Records() > 0 })
	if pids := c.PIDs(); len(pids) != 1 || pids[0] <= 0 {
		t.Errorf("pids: %v", pids)
	}
	if c.socket.records != partitions*4000 {
		t.Errorf("%d records were stored of %d", c.socket.records, partitions*4000)
	}
	if got, want := c.socket.reckon(3*c.socket.bytes), int64(3*partitions*4000); got != want {
		t.Errorf("three passes are %d records, not %d", got, want)
	}
	if err := stop(t, c); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
