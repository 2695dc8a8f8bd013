package runs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// replace writes a file as a whole: a reader, also after a crash, finds the old one
// or the new one.
func replace(root *os.Root, name string, data []byte) error {
	temporary := name + temporarySuffix
	// One that is left is not written into: it could be a link to another file.
	if err := root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary)
		return err
	}
	return syncFolder(root)
}

// syncFolder makes the names in a folder last.
func syncFolder(root *os.Root) error {
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}
