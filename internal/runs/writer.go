package runs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"redline/result"
)

// Writer writes one run. It is for one goroutine at a time.
type Writer struct {
	id, dir      string
	root         *os.Root
	lock, trials *os.File
	// run is what is stored.
	run result.Run
	// seen are the attempts that are stored.
	seen map[attempt]bool
	// end is where the last whole line of trials ends.
	end int64
}

type attempt struct{ number, attempt int }

// writer opens the files of a run whose lock is held.
func (f *Folder) writer(run result.Run, id string, lock *os.File) (*Writer, error) {
	root, err := f.root.OpenRoot(id)
	if err != nil {
		return nil, err
	}
	trials, err := root.OpenFile(result.TrialsFile, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	w := &Writer{id: id, dir: f.dir(id), root: root, lock: lock, trials: trials, run: run, seen: make(map[attempt]bool)}
	for _, t := range run.Trials {
		w.seen[attempt{t.Number, t.Attempt}] = true
	}
	return w, nil
}

// ID is the name of the run, Dir the path of its folder, and Plan what it does.
func (w *Writer) ID() string { return w.id }

// Dir is the path of the run's folder, for people.
func (w *Writer) Dir() string { return w.dir }

// Plan is what the run does, with its id in it.
func (w *Writer) Plan() result.Plan { return w.run.Plan }

// Session stores that a sitting begins. Its index goes into Trial.Session.
func (w *Writer) Session(s result.Session) (index int, err error) {
	index = len(w.run.Sessions)
	if index == result.MaxSessions {
		return 0, fmt.Errorf("cannot store a session of %s: it has %d, which is all that a run may have", w.dir, index)
	}
	sessions := append(w.run.Sessions[:index:index], s)
	data, err := result.EncodeSessions(sessions)
	if err == nil {
		err = replace(w.root, result.SessionsFile, data)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot store the environment in %s: %w; %s", w.dir, cause(err), w.kept(err))
	}
	w.run.Sessions = sessions
	return index, nil
}

// Append stores a trial: it is on disk when Append returns. When it fails, nothing of
// the trial is left in the file as far as the disk allows, what was stored before is
// kept, and Append may be called again. A trial that does not fit its run, or that is
// stored already, is refused.
func (w *Writer) Append(t result.Trial) error {
	line, err := w.encode(t)
	if err == nil {
		err = w.append(line)
	}
	if err != nil {
		return fmt.Errorf("cannot store trial %d in %s: %w; %s", t.Number+1, w.dir, cause(err), w.kept(err))
	}
	w.end += int64(len(line))
	w.seen[attempt{t.Number, t.Attempt}] = true
	return nil
}

func (w *Writer) encode(t result.Trial) ([]byte, error) {
	if err := w.run.Check(t); err != nil {
		return nil, err
	}
	if w.seen[attempt{t.Number, t.Attempt}] {
		return nil, fmt.Errorf("attempt %d of it is stored already", t.Attempt)
	}
	return result.EncodeTrial(t)
}

// append writes a line behind the last whole one.
func (w *Writer) append(line []byte) error {
	// What an earlier failure may have left of a line would make this one unreadable.
	if err := w.trials.Truncate(w.end); err != nil {
		return err
	}
	_, err := w.trials.Write(line)
	if err == nil {
		err = w.trials.Sync()
	}
	if err != nil {
		_ = w.trials.Truncate(w.end)
	}
	return err
}

// kept says what an error has not touched, and how to go on.
func (w *Writer) kept(err error) string {
	kept := fmt.Sprintf("the %d trials before it are kept", len(w.seen))
	switch len(w.seen) {
	case 0:
		kept = "there were no trials before it"
	case 1:
		kept = "the trial before it is kept"
	}
	return kept + "; " + advise(err, "and", fmt.Sprintf("go on with \"redline run --resume %s\"", w.id))
}

// WriteFile stores a file that is derived from the run, such as report.html, in its
// folder, in the place of one of that name.
func (w *Writer) WriteFile(name string, data []byte) error {
	if !isName(name) || strings.HasSuffix(name, temporarySuffix) {
		return fmt.Errorf("cannot store %q in %s: that is no name for a file there", name, w.dir)
	}
	switch name {
	case result.PlanFile, result.SessionsFile, result.TrialsFile, lockFile:
		return fmt.Errorf("cannot store %q in %s: that name is the run's own", name, w.dir)
	}
	if err := replace(w.root, name, data); err != nil {
		return fmt.Errorf("cannot store %s in %s: %w; the trials are kept", name, w.dir, cause(err))
	}
	return nil
}

// Close lets others write the run.
func (w *Writer) Close() error {
	if err := errors.Join(w.trials.Close(), w.root.Close(), w.lock.Close()); err != nil {
		return fmt.Errorf("close run %s: %w", w.dir, err)
	}
	return nil
}
