// Package files writes files of which nothing half-written is ever found by their name: under a
// temporary name in the same folder, renamed when whole.
package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write makes the file at path out of what fill writes, or leaves whatever was there if that fails. Errors
// name path, and wrap fill's.
func Write(path string, fill func(io.Writer) error) error { return write(path, fill, false, nil) }

// WriteSynced is Write for files that must outlast a power cut: they are on the disk before they are renamed.
func WriteSynced(path string, fill func(io.Writer) error) error { return write(path, fill, true, nil) }

// WriteChecked is WriteSynced for files that are to be read back before they get their name: check is given the
// temporary one, and its error, which is
// returned as it is, leaves whatever was there.
func WriteChecked(path string, fill func(io.Writer) error, check func(temporary string) error) error {
	return write(path, fill, true, check)
}

func write(path string, fill func(io.Writer) error, sync bool, check func(string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, bare(err))
	}
	defer func() {
		if err == nil {
			return
		}
		f.Close() // a second Close is harmless
		os.Remove(f.Name())
		if refused, ok := err.(*refusal); ok {
			err = refused.error
		} else {
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
	if check != nil {
		if refused := check(f.Name()); refused != nil {
			return &refusal{refused}
		}
	}
	return os.Rename(f.Name(), path)
}

// refusal is an error of a check, which is handed on as it is.
type refusal struct{ error }

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
