package franz

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// refused are the errors by which a broker, or kgo before it, says that it did
// not append. Whatever else ends a send (a timeout, a lost connection, too few
// replicas after the append, being closed with requests under way) leaves it
// open.
var refused = []error{
	kgo.ErrMaxBuffered,
	kerr.MessageTooLarge,
	kerr.RecordListTooLarge,
	kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed,
	kerr.InvalidTopicException,
	kerr.InvalidRecord,
	kerr.InvalidTimestamp,
	kerr.InvalidRequiredAcks,
	kerr.UnsupportedCompressionType,
	kerr.UnsupportedForMessageFormat,
	kerr.PolicyViolation,
}

// Outcome of a send that ended with err.
func (library) Outcome(err error) client.Outcome {
	if err == nil {
		return client.Acked
	}
	if _, never := errors.AsType[neverAppended](err); never {
		return client.Failed
	}
	for _, target := range refused {
		if errors.Is(err, target) {
			return client.Failed
		}
	}
	return client.Indeterminate
}
