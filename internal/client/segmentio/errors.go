package segmentio

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
)

// translated is an error of kafka-go that is also the one by which franz-go says
// the same, so that one classification does for all.
type translated struct {
	error
	as error
}

func (t translated) Unwrap() []error { return []error{t.error, t.as} }

// known finds that error; err itself if there is none.
func known(err error) error {
	code := codeOf(err)
	if code == 0 {
		return err
	}
	return translated{err, kerr.ErrorForCode(int16(code))}
}

// codeOf is the protocol's number of an error; 0 for others.
func codeOf(err error) kafka.Error {
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return code
	}
	return 0
}

func unknownTopic(err error) bool {
	switch codeOf(err) {
	case kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InvalidTopic:
		return true
	}
	return false
}

// notAllowed says whether an ACL is missing. A refused authentication is not
// among it: the watch decides whether that lasts.
func notAllowed(err error) bool {
	switch codeOf(err) {
	case kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return true
	}
	return false
}

// misfit says whether the group will never take this member as it is.
func misfit(err error) bool {
	switch codeOf(err) {
	case kafka.InvalidGroupId, kafka.InconsistentGroupProtocol, kafka.InvalidSessionTimeout, kafka.GroupMaxSizeReached, kafka.FencedInstanceID:
		return true
	}
	return false
}

// missing is the error for a topic that is not there.
func missing(topic string, err error) error {
	return fmt.Errorf("topic %q is not there (or no more): %w; create it with redline topic create, or list what is there with redline topic list", topic, err)
}

// neverAppended marks an error of a record that no broker can have.
type neverAppended struct{ error }

func (e neverAppended) Unwrap() error { return e.error }

// Outcome of a send that ended with err. What is named here are the errors by which
// a broker, or kafka-go before it, says that it did not append. Whatever else ends
// a send (a timeout, a lost connection, too few replicas after the append, being
// closed with requests under way) leaves it open.
func (library) Outcome(err error) client.Outcome {
	if err == nil {
		return client.Acked
	}
	if _, never := errors.AsType[neverAppended](err); never {
		return client.Failed
	}
	switch codeOf(err) {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.InvalidTopic, kafka.InvalidRecord, kafka.InvalidTimestamp, kafka.InvalidRequiredAcks,
		kafka.UnsupportedCompressionType, kafka.UnsupportedForMessageFormat, kafka.PolicyViolation:
		return client.Failed
	}
	return client.Indeterminate
}

// logger has kafka-go tell of the errors that it goes on from.
type logger func(error)

// Printf is kafka.Logger's: the error, where there is one, is among the arguments.
func (tell logger) Printf(format string, args ...any) {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			if !errors.Is(err, errEnded) {
				tell(err)
			}
			return
		}
	}
	tell(fmt.Errorf(format, args...))
}
