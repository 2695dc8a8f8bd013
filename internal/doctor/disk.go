package doctor

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"redline/internal/observe"
	"redline/internal/term"
)

const (
	// leastRuns holds thousands of stored trials.
	leastRuns = 256 << 20
	// leastData holds the topics of the built-in suites without cutting them.
	leastData = 8 << 30
)

// room judges what is free where a folder is, and whether we may write there.
func room(dir string, least int64) finding {
	free, kind := observe.Storage(dir)
	dir = absolute(dir)
	if !writable(dir) {
		return forbidden(dir)
	}
	return roomOf(dir, free, kind, least)
}

func forbidden(dir string) finding {
	f := no("%s cannot be written to", dir)
	f.lost = "nothing can be stored there"
	return f
}

// writable asks for the closest folder above that exists.
func writable(dir string) bool {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return unix.Access(dir, unix.W_OK|unix.X_OK) == nil
}

func roomOf(dir string, free int64, kind string, least int64) finding {
	if kind == "" {
		return unknown("the system does not say how much is free in %s", dir)
	}
	return yesIf(free >= least, "%s free on %s, in %s", term.Bytes(free), kind, dir)
}

// disk judges where brokers keep their logs: a log in memory is none on a disk.
func disk(dir string) finding {
	if dir == "" {
		return unknown("there is no folder for them: set REDLINE_STATE to one")
	}
	free, kind := observe.Storage(dir)
	dir = absolute(dir)
	if !writable(dir) {
		return forbidden(dir)
	}
	return diskOf(dir, free, kind)
}

func diskOf(dir string, free int64, kind string) finding {
	f := roomOf(dir, free, kind, leastData)
	if kind == "tmpfs" || kind == "ramfs" {
		f = no("%s lies in memory (%s, %s free)", dir, kind, term.Bytes(free))
		f.lost = "brokers never wait for a disk: figures are of memory, and count as memory used"
		f.allow = "name a folder on a disk with --data"
	}
	return f
}

func absolute(dir string) string {
	if path, err := filepath.Abs(dir); err == nil {
		return path
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
