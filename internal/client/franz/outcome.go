package franz

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// Outcome of a send that ended with err.
func (library) Outcome(err error) client.Outcome {
	if errors.Is(err, kgo.ErrMaxBuffered) {
		return client.Failed // kgo took it not even into its queue
	}
	return client.OutcomeOf(err)
}
