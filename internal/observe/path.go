package observe

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// existing is the absolute path without links, of path itself or of the nearest
// folder above it that exists.
func existing(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("cannot find the folder %s: %w", path, err)
	}
	for {
		real, err := filepath.EvalSymlinks(abs)
		if err == nil {
			return real, nil
		}
		up := filepath.Dir(abs)
		if !errors.Is(err, fs.ErrNotExist) || up == abs {
			return "", fmt.Errorf("cannot find the folder %s: %w", path, err)
		}
		abs = up
	}
}
