package direct

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
	"redline/internal/secret"
	"redline/internal/security"
)

// Brokers refuse now and again, which is final where it lasts alone.
func TestARefusalIsFinalWhenItLasts(t *testing.T) {
	for name, c := range map[string]struct {
		between func(w *watch) // four refusals, a second and a half apart
		final   bool
	}{
		"again and again":     {func(*watch) { time.Sleep(1500 * time.Millisecond) }, true},
		"with data between":   {func(w *watch) { time.Sleep(1500 * time.Millisecond); w.worked() }, false},
		"long after the last": {func(*watch) { time.Sleep(time.Minute) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sasl := &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New("x")}
				w := newWatch(client.Options{Brokers: []string{"broker:9092"}, Security: security.Security{SASL: sasl}}, func(error) {}, nil)
				w.Hear()
				w.Accepted("broker:9092")
				for range 4 {
					w.met(fmt.Errorf("fetching: %w", kerr.SaslAuthenticationFailed))
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
