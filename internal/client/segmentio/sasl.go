package segmentio

import (
	"context"
	"net"
	"strconv"

	franz "github.com/twmb/franz-go/pkg/sasl"

	"github.com/segmentio/kafka-go/sasl"

	"redline/internal/security"
)

// mechanism is one of internal/security for kafka-go, which has none of its own for
// OAUTHBEARER, and PLAIN and SCRAM only with the password as it was at the start.
type mechanism struct {
	franz.Mechanism
	watch *watch
}

// authentication is nil for nobody.
func authentication(s security.Security, w *watch) sasl.Mechanism {
	if s.SASL == nil {
		return nil
	}
	return mechanism{s.SASL.FranzMechanism(), w}
}

// Start begins the authentication of one connection.
func (m mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	var address string
	if broker := sasl.MetadataFromContext(ctx); broker != nil {
		address = net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port))
	}
	session, first, err := m.Authenticate(ctx, address)
	if err != nil {
		m.watch.failed(address, err)
		return nil, nil, err
	}
	return exchange{session, m.watch, address}, first, nil
}

// exchange is the authentication under way on one connection.
type exchange struct {
	franz.Session
	watch   *watch
	address string
}

// Next answers the broker; it is not called when the broker refuses.
func (x exchange) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	done, response, err = x.Challenge(challenge)
	if done && err == nil {
		x.watch.accepted(x.address)
	}
	return done, response, err
}
