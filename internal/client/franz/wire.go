package franz

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// wire counts into a client.Wire what kgo tells its hooks, once per request.
type wire struct{ count *client.Wire }

var (
	_ kgo.HookBrokerRead     = wire{}
	_ kgo.HookBrokerWrite    = wire{}
	_ kgo.HookBrokerThrottle = wire{}
)

const (
	keyProduce = 0
	keyFetch   = 1
)

func (w wire) OnBrokerWrite(_ kgo.BrokerMetadata, _ int16, n int, _, _ time.Duration, err error) {
	w.count.Written.Add(int64(n))
	w.failed(err)
}

func (w wire) OnBrokerRead(_ kgo.BrokerMetadata, key int16, n int, _, _ time.Duration, err error) {
	w.count.Read.Add(int64(n))
	if err != nil {
		w.failed(err)
		return
	}
	w.count.Requests.Add(1)
	switch key {
	case keyFetch:
		w.count.Fetches.Add(1)
	case keyProduce:
		w.count.Produces.Add(1)
	}
}

func (w wire) OnBrokerThrottle(_ kgo.BrokerMetadata, interval time.Duration, _ bool) {
	w.count.Throttled.Add(int64(interval))
}

// failed counts a connection's error, but not that we closed it ourselves.
func (w wire) failed(err error) {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		return
	}
	w.count.RequestErrors.Add(1)
}
