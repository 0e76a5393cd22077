package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrLink is wrapped by errors about files that are symbolic links or not regular.
var ErrLink = errors.New("not a regular file: links are not followed")

// OpenRegular is os.OpenFile with mode 0644 for a file that is written to: it refuses a symbolic
// link, a device or a pipe at path, which would lead the data elsewhere. Nothing is truncated
// before that is certain; flags must not have os.O_TRUNC.
func OpenRegular(path string, flags int) (*File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, ErrLink)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := OpenFile(path, flags, ordinary)
	if err != nil {
		return nil, err
	}
	// It may have been replaced by a link in the meantime.
	opened, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Lstat(path); err == nil && !os.SameFile(opened, there) {
			err = fmt.Errorf("%s: %w", path, ErrLink)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
