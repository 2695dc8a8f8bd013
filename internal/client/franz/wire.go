package franz

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// throttled counts into a client.Wire how long brokers ask us to wait. All else is
// counted on the connections themselves.
type throttled struct{ count *client.Wire }

var _ kgo.HookBrokerThrottle = throttled{}

func (t throttled) OnBrokerThrottle(_ kgo.BrokerMetadata, interval time.Duration, _ bool) {
	t.count.Throttled.Add(int64(interval))
}
