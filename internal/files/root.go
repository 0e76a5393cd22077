package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// WriteIn is WriteSynced for the file at a path below root, with slashes. Links cannot lead it out
// of root. Missing directories are created.
func WriteIn(root *os.Root, name string, fill func(io.Writer) error) error {
	return writeIn(root, name, fill, func(temporary string) error {
		err := root.Rename(filepath.FromSlash(temporary), filepath.FromSlash(name))
		if err == nil {
			report(Change{Op: OpRenamed, Path: below(root, temporary), To: below(root, name)})
		}
		return err
	})
}

// CreateIn is WriteIn for a file that must not exist: the error wraps fs.ErrExist if it does, also
// if another process creates it at the same time.
func CreateIn(root *os.Root, name string, fill func(io.Writer) error) error {
	if _, err := root.Lstat(filepath.FromSlash(name)); err == nil {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return writeIn(root, name, fill, func(temporary string) error {
		err := root.Link(filepath.FromSlash(temporary), filepath.FromSlash(name))
		if err != nil {
			return err
		}
		report(Change{Op: OpLinked, Path: below(root, temporary), To: below(root, name)})
		return removeIn(root, temporary)
	})
}

// RemoveIn removes the file at a path below root, and the directories above it, except root, that
// have become empty.
func RemoveIn(root *os.Root, name string) error {
	if err := removeIn(root, name); err != nil {
		return err
	}
	// Another process may have removed the directory already.
	if err := syncDirIn(root, path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if root.Remove(filepath.FromSlash(dir)) != nil {
			break
		}
	}
	return nil //nolint:nilerr // the directory may have been removed
}

func removeIn(root *os.Root, name string) error {
	err := root.Remove(filepath.FromSlash(name))
	if err == nil {
		report(Change{Op: OpRemoved, Path: below(root, name)})
	}
	return err
}

// below is the path of a file below root.
func below(root *os.Root, name string) string {
	return filepath.Join(root.Name(), filepath.FromSlash(name))
}

// writeIn writes a temporary file and lets place give it its name.
func writeIn(root *os.Root, name string, fill func(io.Writer) error, place func(temporary string) error) (err error) {
	f, temporary, err := createIn(root, name)
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", name, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()                     // a second Close is harmless
			_ = removeIn(root, temporary) // or it has its name
			err = fmt.Errorf("%s: writing: %w", name, bare(err))
		}
	}()
	if err = fill(f); err != nil {
		return err
	}
	// Without this, a power failure may leave the name with a part of the contents.
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = place(temporary); err != nil {
		return err
	}
	return syncDirIn(root, path.Dir(name))
}

// createIn creates a temporary file in the directory of a file, and the directory if it is missing.
func createIn(root *os.Root, name string) (f *File, as string, err error) {
	dir := path.Dir(name)
	pattern := temporary(path.Base(name))
	// Another process may take the name, or remove the directory while it is empty.
	for range 100 {
		as = path.Join(dir, lastReplaced(pattern, "*", strconv.FormatUint(uint64(rand.Uint32()), 10)))
		made, err := root.OpenFile(filepath.FromSlash(as), os.O_RDWR|os.O_CREATE|os.O_EXCL, ordinary)
		switch {
		case err == nil:
			return newFile(made), as, nil
		case errors.Is(err, fs.ErrNotExist):
			if err := makeDirIn(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, "", err
			}
		case !errors.Is(err, fs.ErrExist):
			return nil, "", err
		}
	}
	return nil, "", errors.New("no temporary file could be created in 100 tries")
}

// lastReplaced replaces the last old in text.
func lastReplaced(text, old, by string) string {
	i := strings.LastIndex(text, old)
	return text[:i] + by + text[i+len(old):]
}

// makeDirIn creates a directory and those above it, so that they survive a power failure.
func makeDirIn(root *os.Root, dir string) error {
	var missing []string
	for d := dir; d != "."; d = path.Dir(d) {
		if _, err := root.Stat(filepath.FromSlash(d)); err == nil {
			break
		}
		missing = append(missing, d)
	}
	if err := root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
		return err
	}
	for _, d := range missing {
		if err := syncDirIn(root, path.Dir(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// syncDirIn is SyncDir for a directory below root.
func syncDirIn(root *os.Root, dir string) error {
	err := syncOpened(func() (*os.File, error) { return root.Open(filepath.FromSlash(dir)) })
	if err != nil {
		return &fs.PathError{Op: "sync", Path: dir, Err: bare(err)}
	}
	report(Change{Op: OpDirSynced, Path: below(root, dir)})
	return nil
}

// IsTemporary says whether a file's name is one that this package gives to files that are not
// complete.
func IsTemporary(base string) bool {
	name, ok := strings.CutSuffix(base, ".tmp")
	dot := strings.LastIndex(name, ".")
	if !ok || dot < 1 || name[0] != '.' || dot+1 == len(name) {
		return false
	}
	_, err := strconv.ParseUint(name[dot+1:], 10, 64)
	return err == nil
}
