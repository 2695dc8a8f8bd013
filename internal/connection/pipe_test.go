//go:build unix

package connection

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAPipeIsReadAndNotWaitedForForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes in the file system here")
	}
	start := time.Now()
	if data, err := readSettings(path); err != nil || len(data) != 0 || time.Since(start) > time.Second {
		t.Errorf("nobody writes: %q, %v, after %s", data, err, time.Since(start))
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		fmt.Fprint(w, "linger.ms=5\n")
		w.Close()
	}()
	c, err := FromFile(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	if _, missing := os.Stat("/dev/fd"); missing != nil {
		t.Skip("no /dev/fd here")
	}
	if err == nil || !strings.Contains(err.Error(), "no broker is named") {
		t.Errorf("got %+v, %v", c, err)
	}
}
