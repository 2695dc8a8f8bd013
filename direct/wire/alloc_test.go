//go:build !race

package wire

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Allocations are counted without the race detector, which adds its own.

// fetch is a request of some partitions in a version that names topics.
func fetch(partitions int) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = 12
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "topic"
	for range partitions {
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
	}
	r.Topics = append(r.Topics, topic)
	return r
}

// blaster answers whatever is asked with the same bytes, and allocates nothing for it.
func blaster(t testing.TB, size int) (address string) {
	t.Helper()
	return listen(t, func(p *peer) {
		p.introduce()
		response := framed(0, true, make([]byte, size))
		request := make([]byte, 64<<10)
		for {
			if _, err := io.ReadFull(p.conn, request[:4]); err != nil {
				return
			}
			if _, err := io.ReadFull(p.conn, request[4:4+binary.BigEndian.Uint32(request)]); err != nil {
				return
			}
			copy(response[4:8], request[8:12])
			p.write(response)
		}
	})
}

func TestARequestAndItsResponseAllocateNothing(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		c := dial(t, dialer(t, kgo.ClientID("me")), blaster(t, size))
		c.SetEager(true)
		r := fetch(8)
		buf := make([]byte, size+4096)
		turn := func() {
			r.Topics[0].Partitions[0].FetchOffset++
			if _, err := c.Send(r); err != nil {
				t.Fatal(err)
			}
			body, grown, _, err := c.Receive(buf, 2<<20, 1, true)
			if buf = grown; err != nil || len(body) != size {
				t.Fatalf("%d bytes, %v", len(body), err)
			}
		}
		for range 10 {
			turn()
		}
		if n := testing.AllocsPerRun(100, turn); n > 0 {
			t.Errorf("responses of %d bytes: %v allocations each", size, n)
		}
	}
}

func TestARequestInPartsAllocatesNothing(t *testing.T) {
	c := dial(t, dialer(t), blaster(t, 100))
	parts := [][]byte{make([]byte, 30), make([]byte, 9000), make([]byte, 20), make([]byte, 9000)}
	buf := make([]byte, 4096)
	turn := func() {
		if _, err := c.SendParts(0, 9, true, parts); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := c.Receive(buf, 1<<20, 0, true); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		turn()
	}
	if n := testing.AllocsPerRun(100, turn); n > 0 {
		t.Errorf("%v allocations each", n)
	}
}

func TestACursorAllocatesNothing(t *testing.T) {
	b := append(append([]byte{0, 0, 0, 1}, 2, 'x'), 1, 5, 2, 'x', 'y')
	if n := testing.AllocsPerRun(100, func() {
		c := NewCursor(b)
		c.Int32()
		c.Compact()
		c.Tags()
		if c.Bad() || c.Left() > 0 {
			t.Fatal("bad")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
