// Package runs keeps runs on disk: plans, sessions and trials enter, each on disk
// before the call that stores it returns, and leave as result.Run. What the files
// hold is described in package result, which reads them.
//
// A run is a folder of its own in a folder of runs:
//
//	Open → Create(plan) or Resume(id) → Writer: Session, Append, Append, …, Close
//	Existing → List, Read(id), Remove(id), Clean
//
// A process may be killed at any moment. What was stored before stays readable, a
// half line is cut away by Resume, and Clean removes what is of no use: the folder of
// a run that died before its plan was written, files that were being replaced.
//
// One process at a time writes a run: it holds the lock on the file "lock" (flock),
// which the system gives back when it dies. Readers need no lock. No path leads out
// of the folder of runs, neither by ".." nor by a symbolic link in it (os.Root); that
// folder itself may be a link.
package runs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"redline/internal/nearest"
	"redline/result"
)

// elsewhere is what to do where runs cannot be stored.
const elsewhere = "name another folder with --runs"

// Folder is a folder of runs.
type Folder struct {
	root *os.Root
	path string
}

// Open opens a folder of runs, and makes it if it is not there.
func Open(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot store runs in %s: %w; %s", dir, cause(err), advise(err, "or", elsewhere))
	}
	return Existing(dir)
}

// Existing opens a folder of runs that is there; the error wraps fs.ErrNotExist if
// it is not.
func Existing(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there are no runs in %s: %w; name their folder with --runs", dir, cause(err))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder of runs %s: %w; %s", dir, cause(err), advise(err, "or", elsewhere))
	}
	return &Folder{root: root, path: dir}, nil
}

// Find takes what somebody typed for a run: an id of a run in dir, or the path of a
// run anywhere, such as "runs/ID". It returns the folder that holds the run, and its
// id there; whether there is one says Read.
func Find(dir, idOrPath string) (string, string) {
	if idOrPath != "." && !strings.ContainsRune(idOrPath, filepath.Separator) {
		return dir, idOrPath
	}
	path := filepath.Clean(idOrPath)
	if base := filepath.Base(path); base == "." || base == ".." {
		// Of "." the name alone tells nothing.
		if absolute, err := filepath.Abs(path); err == nil {
			path = absolute
		}
	}
	return filepath.Dir(path), filepath.Base(path)
}

// Read reads a run, also while it is being written; see result.ReadRun. The error for
// one that is not there names the one that may have been meant.
func (f *Folder) Read(id string) (result.Run, error) {
	if err := f.known(id); err != nil {
		return result.Run{}, err
	}
	folder, err := fs.Sub(f.root.FS(), id)
	if err != nil {
		return result.Run{}, fmt.Errorf("cannot read run %s: %w", f.dir(id), err)
	}
	run, err := result.ReadRun(folder)
	if err != nil {
		return run, fmt.Errorf("cannot read run %s: %w", f.dir(id), err)
	}
	return run, nil
}

// dir is the path of a run for people.
func (f *Folder) dir(id string) string { return filepath.Join(f.path, id) }

// known returns an error when there is no such run. A symbolic link is none.
func (f *Folder) known(id string) error {
	if isName(id) {
		if info, err := f.root.Lstat(id); err == nil && info.IsDir() {
			return nil
		}
	}
	ids, err := f.ids()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("there is no run %q in %s, which holds none", id, f.path)
	}
	return fmt.Errorf("there is no run %q in %s; %s (redline history lists all)", id, f.path, meant(id, ids))
}

// meant says which of the ids, newest first, somebody may have had in mind.
func meant(id string, ids []string) string {
	for _, known := range ids {
		if id != "" && strings.Contains(known, id) {
			return fmt.Sprintf("the latest of that name is %q", known)
		}
	}
	if near := nearest.Name(id, ids); near != "" {
		return fmt.Sprintf("the nearest is %q", near)
	}
	return fmt.Sprintf("the latest is %q", ids[0])
}

// idPattern is what Create makes: a time, a name, and a number if both were taken.
var idPattern = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[a-z0-9-]+$`)

// ids are the names of runs, the newest first: folders with a plan, and those that
// look like a run without one.
func (f *Folder) ids() ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("cannot list the runs in %s: %w", f.path, cause(err))
	}
	var ids []string
	for _, e := range slices.Backward(entries) {
		if e.IsDir() && isName(e.Name()) && (idPattern.MatchString(e.Name()) || f.planned(e.Name())) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// planned says whether a run has got as far as its plan.
func (f *Folder) planned(id string) bool {
	_, err := f.root.Lstat(filepath.Join(id, result.PlanFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// isName says whether a name is that of something in a folder, and not hidden.
func isName(name string) bool {
	return fs.ValidPath(name) && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, `/\`)
}

// cause is the system's own word, without the path that the sentence around it names.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// advise puts in front of what to do anyway what helps against an error of the system,
// if we know of something.
func advise(err error, conjunction, anyway string) string {
	var help string
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		help = "make room"
	case errors.Is(err, syscall.EFBIG):
		help = "raise the limit on the size of files (ulimit -f)"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		help = "make it writable"
	default:
		return anyway
	}
	return help + " " + conjunction + " " + anyway
}
