package wire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
)

const (
	handshakeKey    = 17
	authenticateKey = 36
	// maxSteps is how often a broker may ask back while it is authenticated to. SCRAM
	// takes 2 steps, Kerberos 3.
	maxSteps = 16
	// maxLifetime keeps what a broker says of a session's lifetime from overflowing.
	maxLifetime = 365 * 24 * time.Hour
	// A session is renewed when this share of its lifetime is over, chosen at random: so
	// connections that were made at the same time are not renewed at the same time.
	renewFrom, renewTo = 0.80, 0.95
)

// Expires is when the connection is to be authenticated anew (Reauthenticate), zero for
// never: at 80 to 95 % of the lifetime that the broker gave the session
// (connections.max.reauth.ms, or that of a token). A broker closes the connection at the
// first request that it takes up behind the lifetime's end; one that waits behind others is
// taken up when they are answered.
func (c *Conn) Expires() time.Time {
	if at := c.expires.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Reauthenticate authenticates anew on this connection, with credentials that the
// mechanism is asked for again. All responses must have been received: it is an error
// otherwise, which leaves the connection as it was. Any other error ends the connection, as
// ctx does when it ends before. Without SASL it does nothing.
func (c *Conn) Reauthenticate(ctx context.Context) error {
	if c.mechanism == nil {
		return c.failed()
	}
	if n := c.sent.Load() - c.received.Load(); n != 0 {
		return fmt.Errorf("cannot authenticate anew to the broker at %s while %d responses are due: receive them first", c.address, n)
	}
	return c.within(ctx, func(ctx context.Context) error {
		return c.login(ctx, []sasl.Mechanism{c.mechanism})
	})
}

// login authenticates with the first of the mechanisms that the broker knows.
func (c *Conn) login(ctx context.Context, mechanisms []sasl.Mechanism) error {
	mechanism, err := c.shakeHands(mechanisms)
	if err == nil {
		err = c.authenticate(ctx, mechanism)
	}
	if err != nil {
		_ = c.fail(err) // which may have ended with less of a reason before
		return err
	}
	c.mechanism = mechanism
	return nil
}

// shakeHands agrees on a mechanism.
func (c *Conn) shakeHands(mechanisms []sasl.Mechanism) (sasl.Mechanism, error) {
	// With version 0 the messages of a mechanism follow without any frame of Kafka's.
	if version, err := c.Version(handshakeKey, 1); err != nil || version < 1 {
		return nil, fmt.Errorf("the broker at %s does not know version 1 of SaslHandshake: SASL needs Kafka 1.0 or newer", c.address)
	}
	response, err := c.propose(mechanisms[0])
	if err != nil || response.ErrorCode == 0 {
		return mechanisms[0], err
	}
	for _, m := range mechanisms[1:] {
		if response.ErrorCode != kerr.UnsupportedSaslMechanism.Code || !slices.Contains(response.SupportedMechanisms, m.Name()) {
			continue
		}
		if response, err = c.propose(m); err != nil || response.ErrorCode == 0 {
			return m, err
		}
	}
	return nil, fmt.Errorf("the broker at %s refused the SASL mechanism %s, and knows %s: %w", c.address, mechanisms[0].Name(), list(response.SupportedMechanisms), kerr.ErrorForCode(response.ErrorCode))
}

func (c *Conn) propose(m sasl.Mechanism) (*kmsg.SASLHandshakeResponse, error) {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.Version, r.Mechanism = 1, m.Name()
	body, err := c.ask(r)
	if err != nil {
		return nil, err
	}
	response := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
	if err := response.ReadFrom(body); err != nil {
		return nil, c.garbled(r, err)
	}
	return response, nil
}

// list names mechanisms that a broker named.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", clip(strings.Join(names[:min(len(names), messageLimit)], ", ")))
}

// authenticate exchanges the messages of a mechanism. Every one of ours is answered, so
// that the last answer, which has the session's lifetime, may come when the mechanism has
// nothing left to say.
func (c *Conn) authenticate(ctx context.Context, m sasl.Mechanism) error {
	version, err := c.Version(authenticateKey, 2)
	if err != nil {
		return err
	}
	session, message, err := m.Authenticate(ctx, c.address)
	if err != nil {
		return fmt.Errorf("cannot begin SASL %s with the broker at %s: %w", m.Name(), c.address, err)
	}
	if len(message) == 0 {
		return fmt.Errorf("cannot speak SASL %s, in which the broker would have to begin: take another mechanism", m.Name())
	}
	for done, steps := false, 0; !done || len(message) > 0; steps++ {
		if steps == maxSteps {
			return fmt.Errorf("the broker at %s did not come to an end of SASL %s in %d steps", c.address, m.Name(), maxSteps)
		}
		asked := time.Now()
		response, err := c.say(message, version)
		if err == nil {
			err = refusal(response)
		}
		if err != nil {
			return fmt.Errorf("SASL %s with the broker at %s failed: %w", m.Name(), c.address, err)
		}
		c.expire(asked, response.SessionLifetimeMillis)
		if message = nil; done {
			continue
		}
		if done, message, err = session.Challenge(response.SASLAuthBytes); err != nil {
			return fmt.Errorf("SASL %s with the broker at %s failed: %w", m.Name(), c.address, err)
		}
	}
	return nil
}

func (c *Conn) say(message []byte, version int16) (*kmsg.SASLAuthenticateResponse, error) {
	r := kmsg.NewPtrSASLAuthenticateRequest()
	r.Version, r.SASLAuthBytes = version, message
	body, err := c.ask(r)
	if err != nil {
		return nil, err
	}
	response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	if err := response.ReadFrom(body); err != nil {
		return nil, c.garbled(r, err)
	}
	return response, nil
}

// refusal is the error that a broker answered with.
func refusal(response *kmsg.SASLAuthenticateResponse) error {
	err := kerr.ErrorForCode(response.ErrorCode)
	if err == nil || response.ErrorMessage == nil {
		return err
	}
	return fmt.Errorf("%w: %q", err, clip(*response.ErrorMessage))
}

// expire notes when to authenticate anew. The lifetime counts from before it was asked
// for: when the broker began to count is not known.
func (c *Conn) expire(asked time.Time, lifetimeMillis int64) {
	if lifetimeMillis <= 0 {
		c.expires.Store(nil)
		return
	}
	lifetime := time.Duration(min(lifetimeMillis, maxLifetime.Milliseconds())) * time.Millisecond
	share := renewFrom + (renewTo-renewFrom)*rand.Float64()
	at := asked.Add(time.Duration(float64(lifetime) * share))
	c.expires.Store(&at)
}
