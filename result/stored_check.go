package result

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Check says what in a trial cannot be true of this run; nil when it fits.
func (r Run) Check(t Trial) error {
	numbers := len(r.Plan.Trials)
	if r.Plan.Kind == Limits {
		numbers = MaxTrials // its later stages are decided as it goes
	}
	switch {
	case t.Number < 0 || t.Number >= numbers:
		return fmt.Errorf("number %d is not in the plan", t.Number)
	case t.Arm < 0 || t.Arm >= len(r.Plan.Arms):
		return fmt.Errorf("arm %d is not one of the %d of the plan", t.Arm, len(r.Plan.Arms))
	case t.Number < len(r.Plan.Trials) && r.Plan.Trials[t.Number].Arm != ArmOpen && t.Arm != r.Plan.Trials[t.Number].Arm:
		return fmt.Errorf("number %d is of arm %d, where the plan has arm %d", t.Number, t.Arm, r.Plan.Trials[t.Number].Arm)
	case t.Session < 0 || t.Session >= len(r.Sessions):
		return fmt.Errorf("session %d is not one of the %d of the run", t.Session, len(r.Sessions))
	case t.Attempt < 1:
		return fmt.Errorf("attempt %d: they count from 1", t.Attempt)
	case t.Round < 0 || t.Round > MaxRounds:
		return fmt.Errorf("round %d is not between 0 and %d", t.Round, MaxRounds)
	}
	return t.checkCounts()
}

func (t Trial) checkCounts() error {
	if min(t.Records, t.Bytes, t.Rewinds, t.Errors, int64(t.Warmup), int64(t.Window)) < 0 {
		return errors.New("a count or a time is negative")
	}
	if len(t.Bins) > MaxBins {
		return fmt.Errorf("%d bins are more than %d", len(t.Bins), MaxBins)
	}
	if t.BinWidth < 0 || t.BinWidth == 0 && len(t.Bins) > 0 {
		return fmt.Errorf("bins cannot be %s wide", t.BinWidth)
	}
	for i, n := range t.Bins {
		if n < 0 {
			return fmt.Errorf("bin %d is negative", i)
		}
	}
	return nil
}

// Check says what is wrong with a plan; nil when it can be run and read. A plan of
// a newer version gives ErrNewer.
func (p Plan) Check() error {
	if err := checkSchema(p.Schema, PlanSchema); err != nil {
		return err
	}
	switch {
	case p.Kind != Rounds && p.Kind != Limits && p.Kind != Nulls:
		return fmt.Errorf("kind %q is not one of %q, %q, %q", p.Kind, Rounds, Limits, Nulls)
	case len(p.Arms) == 0 || len(p.Arms) > MaxArms:
		return fmt.Errorf("there are %d arms, where 1 to %d can be", len(p.Arms), MaxArms)
	case len(p.Trials) > MaxTrials:
		return fmt.Errorf("there are %d trials, where %d can be", len(p.Trials), MaxTrials)
	case p.Rounds < 0 || p.Rounds > MaxRounds:
		return fmt.Errorf("there are %d rounds, where 0 to %d can be", p.Rounds, MaxRounds)
	case min(p.Timing.Settle, p.Timing.Warmup, p.Timing.Window) < 0:
		return errors.New("a time is negative")
	}
	for i, arm := range p.Arms {
		if err := arm.check(i, len(p.Arms)); err != nil {
			return fmt.Errorf("arm %d: %w", i, err)
		}
	}
	for i, t := range p.Trials {
		if t.Arm < ArmOpen || t.Arm >= len(p.Arms) || t.Round < 0 || t.Round > MaxRounds {
			return fmt.Errorf("trial %d is of arm %d in round %d, which cannot be", i, t.Arm, t.Round)
		}
	}
	return nil
}

// check looks at the arm with this index, of so many.
func (a Arm) check(index, arms int) error {
	switch {
	case a.Workload != Consume && a.Workload != Produce:
		return fmt.Errorf("workload %q is neither %q nor %q", a.Workload, Consume, Produce)
	case a.Against < -1 || a.Against >= arms || a.Against == index:
		return fmt.Errorf("it is compared with arm %d, which is not another one", a.Against)
	case a.Setting.Instances < 1:
		return fmt.Errorf("%d instances do nothing", a.Setting.Instances)
	}
	return nil
}

// checkSchema compares the schema of a file with the one that we know, such as
// "redline.plan/v1": a higher version of the same is ErrNewer.
func checkSchema(got, want string) error {
	if got == want {
		return nil
	}
	name, known, _ := strings.Cut(want, "/v")
	gotName, gotVersion, _ := strings.Cut(got, "/v")
	ours, _ := strconv.Atoi(known)
	if version, err := strconv.Atoi(gotVersion); err == nil && gotName == name && version > ours {
		return fmt.Errorf("it has the form %q, this reads %q; use a newer redline: %w", got, want, ErrNewer)
	}
	return fmt.Errorf("its schema is %q, not %q", got, want)
}
