package client

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Translated is an error of a library that is also the one by which franz-go says the
// same, so that one classification does for all clients.
func Translated(err, as error) error { return translated{err, as} }

type translated struct {
	error
	as error
}

func (t translated) Unwrap() []error { return []error{t.error, t.as} }

// oneOf says whether err is, or was translated into, one of the protocol's errors.
func oneOf(err error, codes ...*kerr.Error) bool {
	return slices.ContainsFunc(codes, func(code *kerr.Error) bool { return errors.Is(err, code) })
}

// UnknownTopic says whether a topic or a partition is not there.
func UnknownTopic(err error) bool {
	return oneOf(err, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException)
}

// MissingTopic is the error for a topic that is not there.
func MissingTopic(topic string, err error) error {
	return fmt.Errorf("topic %q is not there (or no more): %w; create it with redline topic create, or list what is there with redline topic list", topic, err)
}

// NotAllowed says whether an ACL is missing. A refused authentication is not among it:
// Reach decides whether that lasts.
func NotAllowed(err error) bool {
	return oneOf(err, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed)
}

// Misfit says whether a group will never take this member as it is.
func Misfit(err error) bool {
	return oneOf(err, kerr.InvalidGroupID, kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout, kerr.GroupMaxSizeReached, kerr.FencedInstanceID)
}

// CannotJoin is the error for such a group.
func CannotJoin(topic string, err error) error {
	return fmt.Errorf("cannot join the group that reads topic %q: %w; change the property it speaks of, or take another group", topic, err)
}

// NeverAppended marks an error of a record that no broker can have.
func NeverAppended(err error) error { return neverAppended{err} }

// IsNeverAppended says whether err is marked.
func IsNeverAppended(err error) bool {
	_, never := errors.AsType[neverAppended](err)
	return never
}

type neverAppended struct{ error }

func (e neverAppended) Unwrap() error { return e.error }

// OutcomeOf is the Outcome by the protocol's errors: those by which a broker, or a
// library before it, says that it did not append, and the mark of NeverAppended. Whatever
// else ends a send (a timeout, a lost connection, too few replicas after the append,
// being closed with requests under way) leaves it open.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Acked
	case IsNeverAppended(err), oneOf(err, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidTopicException, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.InvalidRequiredAcks,
		kerr.UnsupportedCompressionType, kerr.UnsupportedForMessageFormat, kerr.PolicyViolation):
		return Failed
	}
	return Indeterminate
}
