package direct

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/wire"
	"redline/internal/client"
	"redline/internal/secret"
	"redline/internal/security"
)

// ours is the broker of a connection of direct's own.
var ours = kgo.BrokerMetadata{NodeID: wire.UnknownNode, Host: "broker", Port: 9092}

// Brokers refuse now and again, which is final where it lasts alone.
func TestARefusalIsFinalWhenItLasts(t *testing.T) {
	for name, c := range map[string]struct {
		between func(w *watch) // four refusals
		final   bool
	}{
		"again and again":     {func(*watch) { time.Sleep(1500 * time.Millisecond) }, true},
		"taken between":       {func(w *watch) { time.Sleep(1500 * time.Millisecond); w.OnBrokerConnect(ours, 0, nil, nil) }, false},
		"one after the other": {func(*watch) { time.Sleep(100 * time.Millisecond) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sasl := &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New("x")}
				w := newWatch(client.Options{Brokers: []string{"broker:9092"}, Security: security.Security{SASL: sasl}}, func(error) {}, nil)
				w.OnBrokerConnect(ours, 0, nil, nil)
				for range 4 {
					w.OnBrokerConnect(ours, 0, nil, fmt.Errorf("dialling: %w", kerr.SaslAuthenticationFailed))
					c.between(w)
				}
				ended := false
				select {
				case <-w.ended:
					ended = true
				default:
				}
				if ended != c.final || (w.Refusal() != nil) != c.final {
					t.Errorf("ended: %v, by %v", ended, w.Refusal())
				}
			})
		})
	}
}
