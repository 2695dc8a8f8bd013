package client

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestARefusalLastsAtOnceUntilOneWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var never Refusals
		if !never.Refused("1", refused) || !errors.Is(never.Lasting(), refused) {
			t.Error("a client that nobody ever took was not given up")
		}
		var once Refusals
		once.Accepted("1")
		if once.Refused("1", refused) || once.Lasting() != nil {
			t.Error("given up at the first refusal")
		}
		time.Sleep(refusedFor - time.Millisecond)
		if once.Refused("1", refused) {
			t.Error("given up too early")
		}
		time.Sleep(time.Millisecond)
		if once.Lasting() != nil || once.Overdue("1") == nil {
			t.Error("given up by time alone, or not overdue")
		}
		if !once.Refused("1", refused) || once.Lasting() == nil {
			t.Error("not given up")
		}
	})
}

func TestARefusalThatPassesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var r Refusals
		r.Accepted("1")
		r.Refused("1", refused)
		time.Sleep(2 * refusedFor)
		r.Accepted("2") // says nothing of 1
		r.Accepted("1")
		if r.Overdue("1") != nil {
			t.Error("overdue though accepted")
		}
		if r.Refused("1", refused) {
			t.Error("a new refusal was counted from the old one")
		}
		if r.Refused("2", refused) {
			t.Error("a refusal by one broker was counted against another")
		}
	})
}
