package sarama

import (
	"errors"

	"github.com/IBM/sarama"
	"github.com/eapache/go-resiliency/breaker"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
)

// asGo is an error of sarama as the one by which franz-go says the same, by the
// protocol's code; err itself if it has none.
func asGo(err error) error {
	if code, ok := errors.AsType[sarama.KError](err); ok {
		return client.Translated(err, kerr.ErrorForCode(int16(code)))
	}
	// What a broker explains in words is wrapped so that it can be asked for only.
	for _, code := range []sarama.KError{sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState} {
		if errors.Is(err, code) {
			return client.Translated(err, kerr.ErrorForCode(int16(code)))
		}
	}
	return err
}

// lookedUpTooOften says that sarama did not even look for the partition, since that
// has failed before.
func lookedUpTooOften(err error) bool { return errors.Is(err, breaker.ErrBreakerOpen) }

// Outcome of a send that ended with err. Beside what a broker says, sarama refuses on
// this side.
func (library) Outcome(err error) client.Outcome {
	if _, here := errors.AsType[sarama.ConfigurationError](err); here || errors.Is(err, sarama.ErrInvalidPartition) {
		return client.Failed
	}
	return client.OutcomeOf(err)
}
