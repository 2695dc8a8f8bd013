package direct

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// missingFor is how long a topic may be unknown to a consumer: a new one takes a moment
	// to be known to every broker.
	missingFor = 5 * time.Second
	// refusedFor is how long brokers may refuse credentials, or access that was there.
	refusedFor = 5 * time.Second
	// apart is how long after one another two refusals may come and still be of the same
	// spell: longer than a question to the cluster takes.
	apart = 30 * time.Second
)

// patience is the rule by which consumers and producers decide which errors they go on
// from. Some never pass: a topic that was made anew, access that is not allowed. Others
// mostly pass, and end the client when they last: credentials that are about to be
// replaced, a broker that is to learn of a user or of a topic.
type patience struct {
	missingFor time.Duration // how long the topic may be unknown

	mu               sync.Mutex
	missing, refused spell
	doubted          atomic.Bool // refused has begun
}

// gone is an error that nobody can go on from.
type gone struct{ error }

func (g *gone) Unwrap() error { return g.error }

// final is err, with what ended patience where that did, and nil where a client goes on
// from it.
func (p *patience) final(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var g *gone
	switch {
	case errors.As(err, &g), notAllowed(err), errors.Is(err, kerr.InvalidTopicException):
		return err
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		if p.missing.lasts(p.missingFor) {
			return fmt.Errorf("the topic is not there any more, for %v: %w", p.missingFor, err)
		}
	case unauthenticated(err):
		return p.refuse(err)
	default:
		p.missing = spell{}
	}
	return nil
}

// denied is final for what a broker answers to a batch that was sent: access may be given
// again before the next one, so that it ends the producer only where it lasts.
func (p *patience) denied(err error) error {
	if !notAllowed(err) && !unauthenticated(err) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuse(err)
}

// refuse counts a refusal; p.mu is held.
func (p *patience) refuse(err error) error {
	p.doubted.Store(true)
	if p.refused.lasts(refusedFor) {
		return fmt.Errorf("brokers refuse us, for %v: %w", refusedFor, err)
	}
	return nil
}

// accepted says that a broker did for us what it does for nobody it refuses. Where nothing
// was refused it costs a look at a bit.
func (p *patience) accepted() {
	if !p.doubted.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = spell{}
	p.doubted.Store(false)
}

// found says that the topic is there.
func (p *patience) found() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missing = spell{}
}

// spell is a time during which the same went wrong again and again; zero before.
type spell struct{ began, last time.Time }

// lasts notes that it went wrong again, and says whether it has for so long.
func (s *spell) lasts(long time.Duration) bool {
	now := time.Now()
	if now.Sub(s.last) > apart {
		s.began = now
	}
	s.last = now
	return now.Sub(s.began) >= long
}

// notAllowed says whether access was refused in a way that waiting does not change.
func notAllowed(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// unauthenticated says whether a broker did not take us as who we say we are. That passes
// where credentials are replaced, or a broker is about to learn of a user.
func unauthenticated(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism)
}
