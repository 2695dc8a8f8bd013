// Package exectest makes what the tests of clients in other languages run on.
//
// A file of requirements enters; a Python that has them leaves.
package exectest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python is that of an environment with what a file of requirements names. It is kept in
// the cache folder until they change. lacks is told what is missing to make it, and ends
// the test.
func Python(t *testing.T, requirements string, lacks func(format string, args ...any)) string {
	t.Helper()
	content, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	version := sha256.Sum256(content)
	folder := filepath.Join(cache, "redline", "python-"+hex.EncodeToString(version[:4]))
	program, ready := filepath.Join(folder, "bin", "python"), filepath.Join(folder, "ready")
	if _, err := os.Stat(ready); err == nil {
		return program
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", folder},
		{program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil { //nolint:gosec // ours
			lacks("%v: %v: %s", command, err, out)
		}
	}
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return program
}
