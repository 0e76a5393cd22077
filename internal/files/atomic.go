package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write writes the file at path with what fill writes, or leaves the existing file as it is if fill
// fails. After a power failure, too, the file is the existing one or the whole new one. Errors name
// path and wrap fill's.
func Write(path string, fill func(io.Writer) error) error {
	return write(path, fill, options{mode: ordinary})
}

// WriteSynced is Write for files that other files or programs build upon: when it returns, a power
// failure no longer brings back the existing file.
func WriteSynced(path string, fill func(io.Writer) error) error {
	return write(path, fill, options{mode: ordinary, sync: true})
}

// WriteChecked is WriteSynced for files that are read back before they are renamed: check gets the
// temporary file's path. If it returns an error, WriteChecked returns that error unchanged and
// leaves the existing file as it is.
func WriteChecked(path string, fill func(io.Writer) error, check func(temporary string) error) error {
	return write(path, fill, options{mode: ordinary, sync: true, check: check})
}

// WriteBytes is Write for contents that are in memory.
func WriteBytes(path string, data []byte) error { return Write(path, contents(data)) }

// WriteBytesSynced is WriteSynced for contents that are in memory.
func WriteBytesSynced(path string, data []byte) error { return WriteSynced(path, contents(data)) }

// WriteBytesPrivate is WriteBytes for files that only the process's user may read, at no time
// anybody else.
func WriteBytesPrivate(path string, data []byte) error {
	return write(path, contents(data), options{mode: private})
}

func contents(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// Permissions of written files.
const (
	ordinary fs.FileMode = 0o644
	private  fs.FileMode = 0o600
)

// options are the ways in which the exported functions differ.
type options struct {
	mode  fs.FileMode
	sync  bool                         // the new name, too
	check func(temporary string) error // nil: none
}

func write(path string, fill func(io.Writer) error, o options) (err error) {
	made, err := os.CreateTemp(filepath.Dir(path), temporary(filepath.Base(path)))
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, bare(err))
	}
	f := newFile(made)
	defer func() {
		if err == nil {
			return
		}
		f.Close()            // a second Close is harmless
		_ = Remove(f.Name()) // or the file was renamed
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			err = refused.error
		} else {
			err = fmt.Errorf("%s: writing: %w", path, bare(err))
		}
	}()
	if err = fill(f); err != nil {
		return err
	}
	// CreateTemp gives access to the owner only.
	if err = f.Chmod(o.mode); err != nil {
		return err
	}
	// Without this, a power failure may leave the new name with a part of the contents.
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if o.check != nil {
		if refused := o.check(f.Name()); refused != nil {
			return &refusal{refused}
		}
	}
	if err = Rename(f.Name(), path); err != nil || !o.sync {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// temporary is the pattern of the temporary file's name. It is cut, so that a name that the file
// system takes can be written.
func temporary(base string) string {
	const most = 255 - len("..4294967295.tmp") // bytes; most file systems take 255
	if len(base) > most {
		base = strings.ToValidUTF8(base[:most], "")
	}
	return "." + base + ".*.tmp"
}

// refusal marks an error of check, which is returned unchanged.
type refusal struct{ error }

// bare strips the temporary file's name from err, which the caller does not know.
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
