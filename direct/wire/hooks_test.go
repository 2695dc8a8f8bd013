package wire

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// heard notes what hooks are told.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fmt.Sprintf(format, args...))
}

func (h *heard) OnBrokerConnect(meta kgo.BrokerMetadata, took time.Duration, conn net.Conn, err error) {
	if err != nil {
		h.note("failed at %s:%d with a stream: %v", meta.Host, meta.Port, conn != nil)
		return
	}
	h.note("connected to %d at %s:%d over %s, took time: %v", meta.NodeID, meta.Host, meta.Port, conn.RemoteAddr(), took > 0)
}

func (h *heard) OnBrokerDisconnect(meta kgo.BrokerMetadata, conn net.Conn) {
	h.note("disconnected from %s:%d over %s", meta.Host, meta.Port, conn.RemoteAddr())
}

// other is a hook that hears of something else.
type other struct{}

func (other) OnNewClient(*kgo.Client) {}

func TestHooksHearOfConnections(t *testing.T) {
	address := cluster(t, kfake.SeedTopics(1, "here"))
	var h heard
	d := dialer(t, kgo.WithHooks(other{}, &h))
	c := dial(t, d, address)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // which is told once
	c = dial(t, d, address)
	_ = c.fail(kerr.UnknownServerError)
	silent := listen(t, func(*peer) {})
	for _, where := range []string{"127.0.0.1:1", silent} {
		if _, err := d.Dial(t.Context(), where); err == nil {
			t.Fatalf("%s answers", where)
		}
	}
	want := []string{
		fmt.Sprintf("connected to -1 at %s over %s, took time: true", address, address), fmt.Sprintf("disconnected from %s over %s", address, address),
		fmt.Sprintf("connected to -1 at %s over %s, took time: true", address, address), fmt.Sprintf("disconnected from %s over %s", address, address),
		"failed at 127.0.0.1:1 with a stream: false", fmt.Sprintf("failed at %s with a stream: true", silent),
	}
	if !slices.Equal(h.all, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(h.all, "\n"), strings.Join(want, "\n"))
	}
}

func TestABrokerIsNamedAsItWasDialled(t *testing.T) {
	for address, want := range map[string]kgo.BrokerMetadata{
		"host:9092": {NodeID: -1, Host: "host", Port: 9092}, "[::1]:1": {NodeID: -1, Host: "::1", Port: 1},
		"host:kafka": {NodeID: -1, Host: "host"}, "host": {NodeID: -1, Host: "host"},
	} {
		if got := broker(address); got != want {
			t.Errorf("%s is %+v", address, got)
		}
	}
}
