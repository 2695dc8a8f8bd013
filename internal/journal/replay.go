package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Left is a change that a dead process may have made and did not undo.
type Left struct {
	// Kind and Data are what its Begin was given, At when.
	Kind string
	Data json.RawMessage
	At   time.Time
	// PID was the process.
	PID int

	path string
	id   int
}

// String is such as "topic {"name":"x"} of process 4242".
func (l Left) String() string { return fmt.Sprintf("%s %s of process %d", l.Kind, l.Data, l.PID) }

// Replay undoes what dead processes left, the latest change of each first, with
// the function for its kind. An undone change is marked, so that it is not undone
// again; one whose function fails, or whose kind has none, is in failed and stays
// for the next time, as does a line that is damaged.
//
// A replay waits for another one, in this process or elsewhere, to end first. It
// stops when ctx ends; err then is its cause, and what was undone until then is
// marked. A folder that is not there holds nothing.
func Replay(ctx context.Context, dir string, undo map[string]func(context.Context, json.RawMessage) error) (undone []Left, failed []error, err error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	unlock, err := lockReplays(ctx, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("undo what dead processes left: %w", err)
	}
	defer unlock()
	left, failed, err := dead(dir, true)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range left {
		if ctx.Err() != nil {
			return undone, failed, fmt.Errorf("undo what dead processes left: %w", context.Cause(ctx))
		}
		err := l.undo(ctx, undo[l.Kind])
		if err != nil {
			failed = append(failed, err)
			continue
		}
		undone = append(undone, l)
		if err := l.mark(); err != nil {
			failed = append(failed, err)
		}
	}
	return undone, failed, nil
}

// Dead lists what Replay would undo, and changes nothing. The error tells of
// folders, files and lines that cannot be read; the list holds the rest.
func Dead(dir string) ([]Left, error) {
	left, damaged, err := dead(dir, false)
	return left, errors.Join(append(damaged, err)...)
}

// Done marks the change as undone by somebody else's hand: Replay leaves it alone
// from then on.
func (l Left) Done() error {
	unlock, err := lockReplays(context.Background(), filepath.Dir(l.path))
	if err != nil {
		return fmt.Errorf("note that a change was undone: %w", err)
	}
	defer unlock()
	return l.mark()
}

func (l Left) undo(ctx context.Context, how func(context.Context, json.RawMessage) error) error {
	if how == nil {
		return fmt.Errorf("cannot undo the %v: this redline does not know how", l)
	}
	if err := how(ctx, l.Data); err != nil {
		return fmt.Errorf("cannot undo the %v: %w; it will be tried again", l, err)
	}
	return nil
}

// mark appends that the change was undone, and removes a file without further
// changes. The caller holds the lock of those who undo.
func (l Left) mark() error {
	b, err := readBook(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note that a change was undone: %w", err)
	}
	defer b.file.Close()
	b.open = slices.DeleteFunc(b.open, func(n note) bool { return n.ID == l.id })
	if b.empty() {
		err = os.Remove(l.path)
	} else {
		j := Journal{file: b.file, end: b.end}
		err = j.append(note{ID: l.id, Done: true, At: time.Now()})
	}
	if err != nil {
		return fmt.Errorf("note that a change was undone: %w", err)
	}
	return nil
}

// dead lists what is left in all journals of a folder whose owners are dead, and
// what is damaged in them. With tidy it removes those in which nothing is left.
func dead(dir string, tidy bool) (left []Left, damaged []error, err error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("look for undo journals: %w", err)
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != suffix {
			continue
		}
		path := filepath.Join(dir, file.Name())
		b, err := readBook(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // its owner has just closed it
		case err != nil:
			damaged = append(damaged, err)
			continue
		case b.dead():
			left = append(left, b.left()...)
			damaged = append(damaged, b.damaged...)
			if tidy && b.empty() {
				err = os.Remove(path)
			}
		}
		b.file.Close()
		if err != nil {
			damaged = append(damaged, fmt.Errorf("remove an undo journal in which nothing is left: %w", err))
		}
	}
	return left, damaged, nil
}

// book is what stands in a journal.
type book struct {
	file *os.File
	// free says that its owner does not hold it.
	free bool
	// open are the changes that were not undone, in their order.
	open []note
	// damaged says which lines cannot be read.
	damaged []error
	// end is where the last whole line ends.
	end int64
}

// readBook reads a journal. Where its lock is free it is taken before, so that what
// was read stays true until the caller closes the file; readers share it.
func readBook(path string) (book, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return book{}, fmt.Errorf("read an undo journal: %w", err)
	}
	b := book{file: file, free: flock(file, syscall.LOCK_SH|syscall.LOCK_NB) == nil}
	data, err := io.ReadAll(file)
	if err != nil {
		file.Close()
		return book{}, fmt.Errorf("read an undo journal: %w", err)
	}
	b.end = int64(bytes.LastIndexByte(data, '\n') + 1)
	number := 0
	for line := range bytes.Lines(data[:b.end]) {
		number++
		b.enter(number, line)
	}
	return b, nil
}

func (b *book) enter(number int, line []byte) {
	n, err := decode(line)
	switch {
	case err != nil:
		b.damaged = append(b.damaged, fmt.Errorf("line %d of the undo journal %s %w", number, b.file.Name(), err))
	case n.Done:
		b.open = slices.DeleteFunc(b.open, func(o note) bool { return o.ID == n.ID })
	default:
		b.open = append(b.open, n)
	}
}

// empty says that there is nothing that anybody would need it for.
func (b *book) empty() bool { return len(b.open) == 0 && len(b.damaged) == 0 }

// dead says that its owner is.
func (b *book) dead() bool {
	return b.free && !slices.ContainsFunc(b.open, func(n note) bool { return n.Owner.Alive() })
}

// left is what has to be undone, the latest first.
func (b *book) left() []Left {
	var left []Left
	for _, n := range slices.Backward(b.open) {
		left = append(left, Left{Kind: n.Kind, Data: n.Data, At: n.At, PID: n.Owner.PID, path: b.file.Name(), id: n.ID})
	}
	return left
}
