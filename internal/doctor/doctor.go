// Package doctor finds out what this machine and a cluster allow redline to measure.
//
// Folders, an environment and a connection enter; a result.DoctorCheck leaves for
// each thing that was asked: yes, or no with what is lost without it and how to allow
// it. Text prints them. Nothing is changed by asking: the cgroup that is made to see
// whether one can be made is removed at once, and a cluster gets only requests that
// describe.
//
// machine.go and cluster.go hold the questions in their order, the files beside them
// the answers. Root is not needed; what a system does not have is "not here".
package doctor

import (
	"context"
	"fmt"

	"redline/result"
)

// question is one line: what is asked of a subject, and what a no means.
type question[S any] struct {
	id, area, name string
	// lost is what is lost without it, allow how to allow it.
	lost, allow string
	look        func(context.Context, S) finding
}

// finding is the answer to a question.
type finding struct {
	state result.Allowed
	value string
	// lost and allow stand for the question's own where they know more.
	lost, allow string
}

func yes(format string, args ...any) finding {
	return finding{state: result.Yes, value: fmt.Sprintf(format, args...)}
}

func no(format string, args ...any) finding {
	return finding{state: result.No, value: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) finding {
	return finding{state: result.Unknown, value: fmt.Sprintf(format, args...)}
}

func notHere(why string) finding { return finding{state: result.NotHere, value: why} }

// yesIf is yes when it holds and no when it does not, with the same value.
func yesIf(holds bool, format string, args ...any) finding {
	if holds {
		return yes(format, args...)
	}
	return no(format, args...)
}

// ask puts the questions, one after another.
func ask[S any](ctx context.Context, questions []question[S], subject S) []result.DoctorCheck {
	checks := make([]result.DoctorCheck, 0, len(questions))
	for _, q := range questions {
		checks = append(checks, q.check(q.look(ctx, subject)))
	}
	return checks
}

// check is the line of a question that was answered.
func (q question[S]) check(f finding) result.DoctorCheck {
	c := result.DoctorCheck{ID: q.id, Area: q.area, Name: q.name, State: f.state, Value: f.value}
	if f.state == result.Yes {
		return c
	}
	c.Lost = q.lost
	if f.state != result.NotHere { // else there is nothing to do, unless the finding knows
		c.Allow = q.allow
	}
	if f.lost != "" {
		c.Lost = f.lost
	}
	if f.allow != "" {
		c.Allow = f.allow
	}
	return c
}
