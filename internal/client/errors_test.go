package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestOutcomesByTheProtocolsErrors(t *testing.T) {
	for err, want := range map[error]Outcome{
		nil:                                    Acked,
		kerr.MessageTooLarge:                   Failed,
		kerr.TopicAuthorizationFailed:          Failed,
		kerr.NotEnoughReplicas:                 Indeterminate,
		kerr.RequestTimedOut:                   Indeterminate,
		kerr.UnknownTopicOrPartition:           Indeterminate,
		context.DeadlineExceeded:               Indeterminate,
		NeverAppended(io.EOF):                  Failed,
		errors.New("anything else"):            Indeterminate,
		Translated(io.EOF, kerr.InvalidRecord): Failed,
		fmt.Errorf("sent: %w", NeverAppended(MissingTopic("t", kerr.UnknownTopicID))): Failed,
	} {
		if got := OutcomeOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestATranslatedErrorIsBoth(t *testing.T) {
	err := fmt.Errorf("asked: %w", Translated(io.EOF, kerr.GroupAuthorizationFailed))
	if !errors.Is(err, io.EOF) || !NotAllowed(err) || Misfit(err) || UnknownTopic(err) || err.Error() != "asked: EOF" {
		t.Errorf("%v", err)
	}
}
