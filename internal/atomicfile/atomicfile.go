// Package atomicfile writes files of which nothing half-written is ever found by their name: under a
// temporary name in the same folder, renamed when whole.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write makes the file at path out of what fill writes, or leaves whatever was there if that fails. Errors
// name path, and wrap fill's.
func Write(path string, fill func(io.Writer) error) error { return write(path, fill, false) }

// WriteSynced is Write for files that must outlast a power cut: they are on the disk before they are renamed.
func WriteSynced(path string, fill func(io.Writer) error) error { return write(path, fill, true) }

func write(path string, fill func(io.Writer) error, sync bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close() // a second Close is harmless
			os.Remove(f.Name())
			err = fmt.Errorf("%s: writing: %w", path, bare(err))
		}
	}()
	if err = fill(f); err != nil {
		return err
	}
	// CreateTemp gives the owner alone access; a result is an ordinary file.
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if sync {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// bare takes the temporary file's name out of an error: nobody asked for it.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
