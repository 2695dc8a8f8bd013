package runs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"redline/result"
)

// writeVariable makes the test binary a process that writes runs into the folder it
// names until it is killed; fullVariable one that writes into a full disk.
const (
	writeVariable = "REDLINE_TEST_WRITE"
	fullVariable  = "REDLINE_TEST_FULL"
)

func TestMain(m *testing.M) {
	// Under the race detector a process sleeps for a second before it ends.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	var err error
	switch {
	case os.Getenv(writeVariable) != "":
		err = write(os.Getenv(writeVariable))
	case os.Getenv(fullVariable) != "":
		err = fill(os.Getenv(fullVariable))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write is the life of a process that takes up runs and begins new ones, as fast as
// it can. It prints "up" when it begins, and "ID NUMBER" for each trial when it is
// stored.
func write(dir string) error {
	fmt.Fprintln(os.Stdout, "up")
	folder, err := Open(dir)
	if err != nil {
		return err
	}
	for {
		w, run, err := takeUp(folder)
		if err != nil {
			return err
		}
		session, err := w.Session(result.Session{Began: time.Now()})
		if err != nil {
			return err
		}
		for _, number := range run.Missing() {
			if err := w.Append(trial(number, session)); err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, w.ID(), number)
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// takeUp gives a run that is to be gone on with, or else a new one.
func takeUp(folder *Folder) (*Writer, result.Run, error) {
	summaries, err := folder.List()
	if err != nil {
		return nil, result.Run{}, err
	}
	for _, s := range summaries {
		if s.State == Unfinished {
			return folder.Resume(s.ID)
		}
	}
	p := plan(killedTrials)
	p.Created = time.Now()
	w, err := folder.Create(p)
	return w, result.Run{Plan: p}, err
}

// fill writes while files cannot grow, and prints the error of each thing it tries.
func fill(dir string) error {
	folder, err := Open(dir)
	if err != nil {
		return err
	}
	w, err := folder.Create(plan(4))
	if err != nil {
		return err
	}
	session, err := w.Session(result.Session{})
	if err != nil {
		return err
	}
	for number := range 2 {
		if err := w.Append(trial(number, session)); err != nil {
			return err
		}
	}
	room := func(bytes uint64, attempt func() error) error {
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: old.Max}); err != nil {
			return err
		}
		err := attempt()
		fmt.Fprintln(os.Stdout, err)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
	}
	return errors.Join(
		room(uint64(w.end)+100, func() error { return w.Append(trial(2, session)) }),
		printStored(folder, w.ID()),
		room(100, func() error { _, err := w.Session(result.Session{}); return err }),
		room(100, func() error { return w.WriteFile("report.html", make([]byte, 101)) }),
		room(100, func() error { _, err := folder.Create(plan(4)); return err }),
		room(uint64(w.end)*2, func() error { return w.Append(trial(2, session)) }),
	)
}

// printStored says what another process would read.
func printStored(folder *Folder, id string) error {
	run, err := folder.Read(id)
	fmt.Fprintf(os.Stdout, "%d trials, torn %v\n", len(run.Trials), run.Torn)
	return err
}

// plan is one of so many trials, of two arms.
func plan(trials int) result.Plan {
	arm := result.Arm{Workload: result.Consume, Client: "franz", Against: -1, Setting: result.Setting{Instances: 1}}
	other := arm
	other.Against = 0
	p := result.Plan{
		Schema: result.PlanSchema, Name: "seed", Kind: result.Rounds, Question: "Does it scale?",
		Created: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), Arms: []result.Arm{arm, other}, Rounds: trials / 2,
	}
	for n := range trials {
		p.Trials = append(p.Trials, result.Planned{Arm: n % 2, Round: n / 2})
	}
	return p
}

// trial is the one of plan's with this number.
func trial(number, session int) result.Trial {
	t := result.Trial{Number: number, Attempt: 1, Arm: number % 2, Round: number / 2, Session: session}
	t.Window, t.Records = time.Second, int64(1000+number)
	return t
}
