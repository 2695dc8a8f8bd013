package broker

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheSocketSendsAFileAgainAndAgain(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 10_007)
	path := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	s, err := StartSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if s.PID() <= 0 || s.PID() == os.Getpid() {
		t.Errorf("PID %d, ours %d", s.PID(), os.Getpid())
	}
	for range 2 { // each connection begins at the front
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3*len(content)+5)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Repeat(content, 3), content[:5]...)
		if !bytes.Equal(got, want) {
			t.Error("other bytes than the file's")
		}
		conn.Close()
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if err := syscall.Kill(s.PID(), 0); err == nil {
		t.Error("its process lives")
	}
	if left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestASocketWithoutAFileIsAnError(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		empty:                            "it is empty",
		t.TempDir():                      "no regular file",
		filepath.Join(t.TempDir(), "no"): "no such file",
	} {
		if _, err := StartSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q in it", path, err, says)
		}
	}
}

func TestACancelledSocketLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := StartSocket(ctx, path); err == nil {
		// It may have been faster than the context.
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "an empty folder", func() bool {
		left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
		return err == nil && len(left) == 0
	})
}
