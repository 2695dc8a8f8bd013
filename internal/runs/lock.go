package runs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockFile = "lock"

// A reader that looks whether a run is being written holds its lock for a moment:
// that long a writer waits before it believes that another one is there.
const (
	lockTries = 20
	lockPause = 10 * time.Millisecond
)

// busyError says that another process, or this one by another Writer, writes a run.
type busyError struct {
	id  string
	pid int // 0 when it is not known
}

func (e *busyError) Error() string {
	who := "another process"
	if e.pid > 0 {
		who = fmt.Sprintf("process %d", e.pid)
	}
	return fmt.Sprintf("run %s is being written by %s; wait for it, or stop it", e.id, who)
}

// take locks a run for writing, until the file is closed. The error is a busyError
// when somebody else has it, and wraps fs.ErrNotExist when the run is gone.
func (f *Folder) take(id string) (*os.File, error) {
	path := filepath.Join(id, lockFile)
	for try := 1; ; try++ {
		file, err := f.root.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("cannot lock run %s: %w", f.dir(id), cause(err))
		}
		err = flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && f.stillAt(file, path) {
			sign(file)
			return file, nil
		}
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("cannot lock run %s: %w", f.dir(id), cause(err))
		}
		pid := signature(file)
		file.Close()
		if try == lockTries {
			return nil, &busyError{id, pid}
		}
		time.Sleep(lockPause)
	}
}

// held says whether somebody writes the run.
func (f *Folder) held(id string) bool {
	path := filepath.Join(id, lockFile)
	if info, err := f.root.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := f.root.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(flock(file, syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// stillAt says whether the open file is what its path names: a run may have been
// removed between opening its lock and taking it.
func (f *Folder) stillAt(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := f.root.Lstat(path)
	return err == nil && os.SameFile(open, named)
}

// sign writes who holds the lock. It is a courtesy to those who wait: the lock itself
// does not rest on it.
func sign(lock *os.File) {
	if lock.Truncate(0) == nil {
		_, _ = lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0) // there may be no room for it
	}
}

// signature is the pid in a lock; 0 if there is none.
func signature(lock *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(lock, 0, 32))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
