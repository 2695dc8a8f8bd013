package runs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"redline/result"
)

// temporarySuffix ends the name of a file that is going to replace another,
// removedPrefix begins that of a run that is being removed.
const (
	temporarySuffix = ".tmp"
	removedPrefix   = ".removed-"
)

// Remove removes a run. It refuses while somebody writes it. A process that is killed
// meanwhile leaves the whole run, or none and something for Clean.
func (f *Folder) Remove(id string) error {
	if err := f.known(id); err != nil {
		return err
	}
	lock, err := f.take(id)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := f.remove(id); err != nil {
		return fmt.Errorf("cannot remove run %s: %w", f.dir(id), cause(err))
	}
	return nil
}

// remove takes a run out of sight at once, and then apart.
func (f *Folder) remove(id string) error {
	hidden := removedPrefix + id + "-" + rand.Text()[:8]
	if err := f.root.Rename(id, hidden); err != nil {
		return err
	}
	// Who was about to take the lock may still put its file there, once.
	err := f.root.RemoveAll(hidden)
	for tries := 0; errors.Is(err, syscall.ENOTEMPTY) && tries < lockers; tries++ {
		err = f.root.RemoveAll(hidden)
	}
	return err
}

// lockers is more than may want the lock of one run at the same moment.
const lockers = 64

// Leftovers are the paths of what dead processes left that is of no use: folders of
// runs that have no plan, files that were to replace others, runs that were being
// removed. What somebody holds the lock of, and what is not ours, is none.
func (f *Folder) Leftovers() ([]string, error) { return f.sweep(false) }

// Clean removes the Leftovers, and returns the paths of those that are gone.
func (f *Folder) Clean() ([]string, error) { return f.sweep(true) }

func (f *Folder) sweep(remove bool) (paths []string, err error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("cannot list the runs in %s: %w", f.path, cause(err))
	}
	var failed []error
	for _, e := range entries {
		names := f.leftovers(e)
		if remove && len(names) > 0 {
			names, err = f.cleanOne(e)
			if err != nil {
				failed = append(failed, fmt.Errorf("cannot clean %s: %w", f.dir(e.Name()), cause(err)))
			}
		}
		for _, name := range names {
			paths = append(paths, f.dir(name))
		}
	}
	return paths, errors.Join(failed...)
}

// cleanOne removes the leftovers of a run under its lock, having looked again.
func (f *Folder) cleanOne(e fs.DirEntry) (removed []string, err error) {
	id := e.Name()
	if strings.HasPrefix(id, removedPrefix) {
		return []string{id}, f.root.RemoveAll(id)
	}
	lock, err := f.take(id)
	var busy *busyError
	if errors.As(err, &busy) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it came to life, or somebody else cleans
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	for _, name := range f.unneeded(id) {
		if name == id {
			err = f.remove(id)
		} else {
			err = f.root.Remove(name)
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// leftovers are those of an entry of the folder, when nobody holds its lock.
func (f *Folder) leftovers(e fs.DirEntry) []string {
	switch id := e.Name(); {
	case !e.IsDir() || f.held(id):
		return nil
	case strings.HasPrefix(id, removedPrefix):
		return []string{id}
	default:
		return f.unneeded(id)
	}
}

// unneeded is a run that never came to its plan, as its id, or else the files in it
// that were to replace others. Only a folder that is named as a run is, and holds what
// a run begins with, is taken for one.
func (f *Folder) unneeded(id string) []string {
	entries, err := fs.ReadDir(f.root.FS(), id)
	if err != nil || !isName(id) {
		return nil
	}
	var temporary []string
	ours := idPattern.MatchString(id)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), temporarySuffix) && e.Type().IsRegular() {
			temporary = append(temporary, filepath.Join(id, e.Name()))
		} else if e.Name() != lockFile && !f.emptyTrials(id, e) {
			ours = false
		}
	}
	if f.planned(id) {
		return temporary
	}
	if ours {
		return []string{id}
	}
	return nil
}

// emptyTrials says whether an entry is the file of trials with nothing in it.
func (f *Folder) emptyTrials(id string, e fs.DirEntry) bool {
	info, err := f.root.Lstat(filepath.Join(id, e.Name()))
	return err == nil && e.Name() == result.TrialsFile && info.Mode().IsRegular() && info.Size() == 0
}
