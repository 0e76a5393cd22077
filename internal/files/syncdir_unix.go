//go:build linux || darwin

package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir is fsync of a directory. Some network file systems refuse it, and directories that may be
// written to but not read cannot be opened for it.
func syncDir(dir string) error {
	return syncOpened(func() (*os.File, error) { return os.Open(dir) })
}

// syncOpened is syncDir for the directory that open opens.
func syncOpened(open func() (*os.File, error)) error {
	d, err := open()
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
