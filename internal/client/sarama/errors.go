package sarama

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/eapache/go-resiliency/breaker"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
)

// translated is an error of sarama that is also the one by which franz-go says the
// same, so that one classification does for all clients.
type translated struct {
	error
	as error
}

func (t translated) Unwrap() []error { return []error{t.error, t.as} }

// asGo finds that error by the protocol's code; err itself if it has none.
func asGo(err error) error {
	if code, ok := errors.AsType[sarama.KError](err); ok {
		return translated{err, kerr.ErrorForCode(int16(code))}
	}
	// What a broker explains in words is wrapped so that it can be asked for only.
	for _, code := range []sarama.KError{sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState} {
		if errors.Is(err, code) {
			return translated{err, kerr.ErrorForCode(int16(code))}
		}
	}
	return err
}

// oneOf says whether err is one of the protocol's errors.
func oneOf(err error, codes ...*kerr.Error) bool {
	for _, code := range codes {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

func unknownTopic(err error) bool {
	return oneOf(err, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException)
}

// notAllowed says whether an ACL is missing. A refused authentication is not
// among it: the watch decides whether that lasts.
func notAllowed(err error) bool {
	return oneOf(err, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed)
}

// misfit says whether the group will never take this member as it is.
func misfit(err error) bool {
	return oneOf(err, kerr.InvalidGroupID, kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout, kerr.GroupMaxSizeReached, kerr.FencedInstanceID)
}

// missing is the error for a topic that is not there.
func missing(topic string, err error) error {
	return fmt.Errorf("topic %q is not there (or no more): %w; create it with redline topic create, or list what is there with redline topic list", topic, err)
}

// lookedUpTooOften says that sarama did not even look for the partition, since that
// has failed before.
func lookedUpTooOften(err error) bool { return errors.Is(err, breaker.ErrBreakerOpen) }

// neverAppended marks an error of a record that no broker can have.
type neverAppended struct{ error }

func (e neverAppended) Unwrap() error { return e.error }

// Outcome of a send that ended with err. What a broker, or sarama before it, says
// that it did not append has failed. Whatever else ends a send (a timeout, a lost
// connection, too few replicas after the append, being closed) leaves it open.
func (library) Outcome(err error) client.Outcome {
	if err == nil {
		return client.Acked
	}
	if _, never := errors.AsType[neverAppended](err); never {
		return client.Failed
	}
	if _, here := errors.AsType[sarama.ConfigurationError](err); here || errors.Is(err, sarama.ErrInvalidPartition) {
		return client.Failed // refused on this side
	}
	if oneOf(err, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidTopicException, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.InvalidRequiredAcks,
		kerr.UnsupportedCompressionType, kerr.UnsupportedForMessageFormat, kerr.PolicyViolation) {
		return client.Failed
	}
	return client.Indeterminate
}
