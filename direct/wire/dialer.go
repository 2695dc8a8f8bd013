package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Dialer holds how a broker is reached and as whom. It is made by NewDialer and may be
// used by several goroutines at once.
type Dialer struct {
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	mechanisms []sasl.Mechanism // the first that the broker knows is taken
	clientID   []byte           // as a request's header has it
	software   [2]string        // name and version
	most       *kversion.Versions
	least      *kversion.Versions
	timeout    time.Duration
	maxRequest int // bytes
	hooks      []kgo.Hook
}

// NewDialer takes from a client's options how its brokers are reached: Dialer,
// DialTLSConfig, DialTLS, DialTimeout, SASL, ClientID, SoftwareNameAndVersion,
// MaxVersions, MinVersions, BrokerMaxWriteBytes, and RequestTimeoutOverhead, which is how
// long a broker may be silent (SetReceiveTimeout, SetSendTimeout). SASL mechanisms are
// shared with the client, which closes them when it is closed. Of its hooks (WithHooks)
// those are called that hear of connections: HookBrokerConnect and HookBrokerDisconnect,
// with UnknownNode for the broker. Those that hear of each request are not.
func NewDialer(cl *kgo.Client) (*Dialer, error) {
	if cl == nil {
		return nil, errors.New("cannot take options from a client that is nil: make one with kgo.NewClient")
	}
	var (
		d        Dialer
		err      error
		maxWrite int32
	)
	option(cl, "Dialer", &d.dial, &err)
	option(cl, "SASL", &d.mechanisms, &err)
	option(cl, "MaxVersions", &d.most, &err)
	option(cl, "MinVersions", &d.least, &err)
	option(cl, "RequestTimeoutOverhead", &d.timeout, &err)
	option(cl, "BrokerMaxWriteBytes", &maxWrite, &err)
	option(cl, "WithHooks", &d.hooks, &err)
	if err != nil {
		return nil, err
	}
	d.maxRequest = int(maxWrite)
	if d.clientID, err = clientID(cl.OptValues(kgo.ClientID)); err != nil {
		return nil, err
	}
	d.software, err = software(cl.OptValues(kgo.SoftwareNameAndVersion))
	return &d, err
}

// option reads one of the client's options into what it is, unless something was wrong
// already.
func option[T any](cl *kgo.Client, name string, into *T, err *error) {
	value, ok := cl.OptValue(name).(T)
	if !ok && *err == nil {
		*err = fmt.Errorf("cannot read the option %s of the client: franz-go gives %T, where %T was expected: take the version of franz-go that go.mod names", name, cl.OptValue(name), *into)
	}
	*into = value
}

// clientID encodes the client id, a string that may be null.
func clientID(option []any) ([]byte, error) {
	id, set := "", false
	if len(option) == 2 {
		id, _ = option[0].(string)
		set, _ = option[1].(bool)
	}
	if !set {
		return []byte{0xff, 0xff}, nil
	}
	if len(id) > math.MaxInt16 {
		return nil, fmt.Errorf("a client id of %d bytes does not go into a request, which has room for %d: take a shorter one", len(id), math.MaxInt16)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(id))), id...), nil
}

func software(option []any) (nameAndVersion [2]string, err error) {
	for i := range nameAndVersion {
		ok := i < len(option)
		if ok {
			nameAndVersion[i], ok = option[i].(string)
		}
		if !ok {
			return nameAndVersion, errors.New("cannot read the option SoftwareNameAndVersion of the client: take the version of franz-go that go.mod names")
		}
	}
	return nameAndVersion, nil
}

// Dial connects to a broker at address (host:port, as metadata tells it), asks which
// versions it speaks, and authenticates. It ends with ctx; each step of it may take
// DialTimeout or RequestTimeoutOverhead.
//
// Errors name the broker and wrap what came back: those of net, crypto/tls and crypto/x509,
// of the SASL mechanism, and those of kerr that the broker answered with
// (kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism).
func (d *Dialer) Dial(ctx context.Context, address string) (*Conn, error) {
	began := time.Now()
	stream, err := d.dial(ctx, "tcp", address)
	if err != nil {
		err = fmt.Errorf("cannot connect to the broker at %s: %w", address, err)
		d.connected(address, began, nil, err)
		return nil, err
	}
	c := newConn(d, stream, address)
	if err := c.within(ctx, c.introduce); err != nil {
		_ = c.Close() // what was wrong is said already
		d.connected(address, began, stream, err)
		return nil, err
	}
	c.told = true
	d.connected(address, began, stream, nil)
	return c, nil
}
