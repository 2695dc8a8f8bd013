package segmentio

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
)

// known is an error of kafka-go as the one by which franz-go says the same, by the
// protocol's code; err itself if it has none.
func known(err error) error {
	code, ok := errors.AsType[kafka.Error](err)
	if !ok || code == 0 {
		return err
	}
	return client.Translated(err, kerr.ErrorForCode(int16(code)))
}

// Outcome of a send that ended with err.
func (library) Outcome(err error) client.Outcome { return client.OutcomeOf(known(err)) }

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
