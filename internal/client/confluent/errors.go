//go:build cgo

package confluent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
	"redline/internal/cluster"
)

// attempt is what the sentence of an error may say of a client's connections.
func attempt(o client.Options, needs []cluster.ACL) cluster.Attempt {
	a := cluster.Attempt{Security: o.Security, Needs: needs}
	if len(o.Brokers) == 1 {
		a.Address = o.Brokers[0]
	}
	return a
}

// unreachable is the error for a cluster of which nothing was ever heard.
func unreachable(brokers []string, last error) error {
	return client.Unreachable(brokers, reachWithin+askWithin, last)
}

// code is librdkafka's number of an error, ErrNoError for others.
func code(err error) kafka.ErrorCode {
	if e, ok := errors.AsType[kafka.Error](err); ok {
		return e.Code()
	}
	return kafka.ErrNoError
}

func unknownTopic(err error) bool {
	switch code(err) {
	case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic, kafka.ErrUnknownPartition, kafka.ErrUnknownTopicID, kafka.ErrTopicException:
		return true
	}
	return false
}

// notAuthorized says whether an ACL is missing. Without a group, that on the one
// which librdkafka wants all the same is not needed.
func notAuthorized(err error, group bool) bool {
	switch code(err) {
	case kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed:
		return true
	case kafka.ErrGroupAuthorizationFailed:
		return group
	}
	return false
}

// asGo is an error of librdkafka as the one by which Go's libraries say the same; err
// itself if there is none.
func asGo(err error) error {
	as := equivalent(err)
	if as == nil {
		return err
	}
	return client.Translated(err, as)
}

// equivalent goes by the code where that is the protocol's own, and by the words
// of librdkafka and OpenSSL where one code is for all that can go wrong.
func equivalent(err error) error {
	switch c := code(err); {
	case c > 0:
		return kerr.ErrorForCode(int16(c))
	case c == kafka.ErrAuthentication && strings.Contains(err.Error(), "Unsupported SASL mechanism"):
		return kerr.UnsupportedSaslMechanism
	case c == kafka.ErrAuthentication && strings.Contains(err.Error(), "Failed to acquire SASL OAUTHBEARER token"):
		return nil // the one before may still be good
	case c == kafka.ErrAuthentication:
		return kerr.SaslAuthenticationFailed
	case c == kafka.ErrSsl, c == kafka.ErrTransport: // an alert of TLS 1.3 comes with the first answer
		return ofTLS(err.Error())
	}
	return nil
}

// alertNumber is how OpenSSL names the alert of the other side.
var alertNumber = regexp.MustCompile(`SSL alert number (\d{1,3})\b`)

// ofTLS is nil for what may pass, such as a broker that goes away while the
// handshake is under way.
func ofTLS(text string) error {
	if m := alertNumber.FindStringSubmatch(text); m != nil {
		if n, err := strconv.ParseUint(m[1], 10, 8); err == nil {
			return &net.OpError{Op: "remote error", Err: tls.AlertError(n)}
		}
	}
	if strings.Contains(text, "certificate verify failed") || strings.Contains(text, "certificate could not be verified") {
		return x509.UnknownAuthorityError{}
	}
	return nil
}
