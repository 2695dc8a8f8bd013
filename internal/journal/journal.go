// Package journal remembers what has to be undone when this process cannot do it:
// changes outside of it, such as a topic on somebody's cluster, a setting of its
// brokers, a folder. A change enters before it is made; what dead processes left
// behind leaves, to be undone by a later one.
//
// The order is always the same, and any step may be the last one of a process that
// is killed:
//
//	entry, err := j.Begin("topic", topic{…}) // on disk now; if not, change nothing
//	… make the change …
//	… undo it …
//	err = entry.Done()
//
// So an entry says that a change may have been made, not that it was; and a process
// may die between undoing and Done. An undo function must therefore take it well
// that there is nothing to undo, and must make sure that what it removes is what was
// made: by its id, not by its name. Data must hold all that it needs for that, and
// no secrets.
//
// Each process writes a file of its own, in lines that carry a CRC-32C as those of
// stored runs do (package result):
//
//	{"crc32c":"9ae0daaf","entry":{"schema":1,"id":1,"kind":"topic","data":…,"owner":{"pid":7,"start":99},"at":…}}
//	{"crc32c":"0a1b2c3d","entry":{"schema":1,"id":1,"done":true,"at":…}}
//
// Every line is on disk (fsync) before the call that wrote it returns. A last line
// without an end was being written when its process died: its call had not
// returned, so that nothing had been changed yet. A process counts as dead when the
// lock on its file (flock) is free and no process with its pid and start time is
// there: the first alone would forget a process that closed its journal with
// changes still to be undone, the second alone one in another container. One
// process at a time undoes what is left.
package journal

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Journal is this process's file. It is safe for concurrent use.
type Journal struct {
	owner Process
	file  *os.File

	mu   sync.Mutex
	last int          // the id given last
	open map[int]bool // ids of entries that are not done
	end  int64        // of the last whole line
}

// Open makes a file for this process in a folder, which is made too if need be:
// journal under the state folder of redline. Close it at the end.
func Open(dir string) (*Journal, error) { return openAs(dir, ProcessOf(os.Getpid())) }

func openAs(dir string, owner Process) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the undo journal: %w. Set REDLINE_STATE to a folder that can be written", err)
	}
	for {
		file, err := create(dir, owner)
		if err != nil {
			return nil, fmt.Errorf("make an undo journal: %w. Set REDLINE_STATE to a folder that can be written", err)
		}
		if file != nil {
			return &Journal{owner: owner, file: file, open: make(map[int]bool)}, nil
		}
	}
}

// create makes a file and locks it; nil if a replay took it for a dead process's
// before it was locked, and removed it.
func create(dir string, owner Process) (*os.File, error) {
	var random [6]byte
	_, _ = rand.Read(random[:])
	path := filepath.Join(dir, fmt.Sprintf("%d-%s%s", owner.PID, hex.EncodeToString(random[:]), suffix))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	err = flock(file, syscall.LOCK_EX)
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		file.Close()
		return nil, errors.Join(err, os.Remove(path))
	}
	if !stillAt(file, path) {
		file.Close()
		return nil, nil
	}
	return file, nil
}

// Entry is a change that may have been made.
type Entry struct {
	journal *Journal
	id      int
}

// Begin writes down how a change is undone: kind names the function, data (written
// as JSON) is what that one needs. When it fails, the change must not be made.
func (j *Journal) Begin(kind string, data any) (*Entry, error) {
	how, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("note how to undo a %s: %w", kind, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(note{ID: j.last + 1, Kind: kind, Data: how, Owner: &j.owner, At: time.Now()}); err != nil {
		return nil, fmt.Errorf("note how to undo a %s: %w; nothing was changed. Make sure that %s can be written", kind, err, filepath.Dir(j.file.Name()))
	}
	j.last++
	j.open[j.last] = true
	return &Entry{journal: j, id: j.last}, nil
}

// Done marks the change as undone. Marking it again does nothing. When it fails, a
// later replay undoes the change once more.
func (e *Entry) Done() error {
	j := e.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.open[e.id] {
		return nil
	}
	if err := j.append(note{ID: e.id, Done: true, At: time.Now()}); err != nil {
		return fmt.Errorf("note that a change was undone: %w", err)
	}
	delete(j.open, e.id)
	return nil
}

// Close ends the journal. Its file is removed when all changes are undone; if not,
// it is kept, for a replay after the end of this process.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	if len(j.open) == 0 {
		if err = os.Remove(j.file.Name()); errors.Is(err, os.ErrNotExist) {
			err = nil // somebody emptied the folder
		}
	}
	if err = errors.Join(err, j.file.Close()); err != nil {
		return fmt.Errorf("close the undo journal: %w", err)
	}
	return nil
}

// append puts a line on disk, whole or, as far as the disk allows, not at all.
func (j *Journal) append(n note) error {
	line, err := n.encode()
	if err != nil {
		return err
	}
	// What an earlier failure left of a line would make this one unreadable.
	if err := j.file.Truncate(j.end); err != nil {
		return err
	}
	if _, err = j.file.Write(line); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		_ = j.file.Truncate(j.end)
		return err
	}
	j.end += int64(len(line))
	return nil
}
