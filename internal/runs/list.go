package runs

import (
	"slices"
	"time"

	"redline/result"
)

// States of a run.
const (
	// Finished runs have all trials of their plan, Unfinished ones do not.
	Finished   = "finished"
	Unfinished = "unfinished"
	// Running ones are being written.
	Running = "running"
	// Damaged ones cannot be read, or miss trials of which a line is damaged.
	Damaged = "damaged"
)

// Summary is a run in a few words.
type Summary struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Question string    `json:"question"`
	Created  time.Time `json:"created"`
	// Planned counts the trials of the plan, Finished those of them that need not be
	// run any more; see result.Run.Missing.
	Planned  int    `json:"planned"`
	Finished int    `json:"finished"`
	State    string `json:"state"` // Finished, Unfinished, Running or Damaged
	// Problem is the first thing that is damaged, or why the run cannot be read.
	Problem string `json:"problem,omitempty"`
	// Fingerprint is alike for runs that ask the same; see Fingerprint.
	Fingerprint string `json:"fingerprint"`
}

// List summarizes all runs, the newest first. One that cannot be read is in the list
// with its problem.
func (f *Folder) List() ([]Summary, error) {
	ids, err := f.ids()
	if err != nil {
		return nil, err
	}
	summaries := make([]Summary, 0, len(ids))
	for _, id := range ids {
		summaries = append(summaries, f.summary(id))
	}
	slices.SortStableFunc(summaries, func(a, b Summary) int { return b.Created.Compare(a.Created) })
	return summaries, nil
}

func (f *Folder) summary(id string) Summary {
	s := Summary{ID: id, State: Damaged}
	// Before reading: a run that ends meanwhile is then said to be running.
	running := f.held(id)
	run, err := f.Read(id)
	if err != nil {
		s.Problem = err.Error()
		s.Created, _ = time.Parse("20060102-150405", id[:min(len(id), len("20060102-150405"))])
	} else {
		s = summarize(id, run)
	}
	if running {
		s.State = Running
	}
	return s
}

func summarize(id string, run result.Run) Summary {
	p, missing := run.Plan, len(run.Missing())
	s := Summary{
		ID: id, Name: p.Name, Kind: p.Kind, Question: p.Question, Created: p.Created,
		Planned: len(p.Trials), Finished: len(p.Trials) - missing, Fingerprint: Fingerprint(p),
		State: Unfinished,
	}
	if len(run.Damaged) > 0 {
		s.Problem, s.State = run.Damaged[0].String(), Damaged
	}
	if missing == 0 {
		s.State = Finished
	}
	return s
}
