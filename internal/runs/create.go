package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"redline/result"
)

// longestName of a question in an id, and mostTwins: how many runs may bear the same
// name and second.
const (
	longestName = 40
	mostTwins   = 1000
)

// Create begins a run: a folder whose id is the time of the plan in UTC and its name,
// such as "20260102-150405-seed", with -2, -3 behind it when that is taken. The plan is
// on disk, with the id in it, when it returns.
func (f *Folder) Create(plan result.Plan) (*Writer, error) {
	if err := plan.Check(); err != nil {
		return nil, fmt.Errorf("cannot begin a run in %s: its plan cannot be: %w", f.path, err)
	}
	first := plan.Created.UTC().Format("20060102-150405") + "-" + safe(plan.Name)
	plan.Run = first
	for twin := 2; ; twin++ {
		w, err := f.begin(plan)
		if err == nil {
			return w, nil
		}
		if !errors.Is(err, errTaken) || twin > mostTwins {
			return nil, fmt.Errorf("cannot begin a run in %s: %w; %s", f.path, cause(err), advise(err, "or", elsewhere))
		}
		plan.Run = fmt.Sprintf("%s-%d", first, twin)
	}
}

// safe makes a name fit for a folder: small letters, digits and hyphens.
func safe(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	short := strings.Join(words, "-")
	short = strings.Trim(short[:min(len(short), longestName)], "-")
	if short == "" {
		return "run"
	}
	return short
}

// errTaken says that somebody else has the name of a run.
var errTaken = errors.New("another run has that name")

// begin makes the folder of a run. Whoever holds the lock of a folder without a plan
// has its name: Mkdir alone does not decide, because Clean may take the folder away
// before it is locked, and another process make it anew.
func (f *Folder) begin(plan result.Plan) (*Writer, error) {
	if err := f.root.Mkdir(plan.Run, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, errTaken
	} else if err != nil {
		return nil, err
	}
	lock, err := f.take(plan.Run)
	var busy *busyError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &busy) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	if f.planned(plan.Run) {
		lock.Close()
		return nil, errTaken
	}
	w, err := f.writer(result.Run{Plan: plan}, plan.Run, lock)
	if err == nil {
		err = errors.Join(w.writePlan(), syncFolder(f.root))
	}
	if err != nil {
		_ = f.remove(plan.Run) // while it is ours
		if w != nil {
			_ = w.Close()
		}
		lock.Close()
		return nil, err
	}
	return w, nil
}

func (w *Writer) writePlan() error {
	data, err := json.MarshalIndent(w.run.Plan, "", "  ")
	if err != nil {
		return err
	}
	return replace(w.root, result.PlanFile, data)
}

// Resume takes up a run where it stopped: what is stored is returned, and the Writer
// goes on behind it. Run.Missing says what is still to be done. A half line at the end
// is cut away first; damaged lines stay as they are. It refuses while another process
// writes the run.
func (f *Folder) Resume(id string) (*Writer, result.Run, error) {
	if err := f.known(id); err != nil {
		return nil, result.Run{}, err
	}
	if !f.planned(id) {
		_, err := f.Read(id) // says what is missing
		return nil, result.Run{}, err
	}
	lock, err := f.take(id)
	if err != nil {
		return nil, result.Run{}, err
	}
	run, err := f.Read(id)
	if err != nil {
		lock.Close()
		return nil, run, err
	}
	w, err := f.writer(run, id, lock)
	if err != nil {
		lock.Close()
		return nil, run, fmt.Errorf("cannot go on with run %s: %w", f.dir(id), cause(err))
	}
	if err := w.mend(); err != nil {
		return nil, run, errors.Join(fmt.Errorf("cannot go on with run %s: %w", f.dir(id), cause(err)), w.Close())
	}
	run.Torn = false
	return w, run, nil
}

// mend makes the files of a run fit to be written on.
func (w *Writer) mend() error {
	for _, d := range w.run.Damaged {
		if d.File != result.SessionsFile {
			continue
		}
		// The next session replaces it; somebody may still read something in it.
		err := w.root.Rename(d.File, d.File+".damaged")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	end, err := lastEnd(w.trials)
	if err != nil {
		return err
	}
	w.end = end
	if err := w.trials.Truncate(end); err != nil {
		return err
	}
	return w.trials.Sync()
}

// lastEnd is where the last whole line of a file ends.
func lastEnd(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	block := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(block)))
		part := block[:end-start]
		if _, err := file.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := strings.LastIndexByte(string(part), '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}
