package files

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// File is an os.File whose changes tests can observe, to find out what a power failure leaves of
// them.
type File struct {
	*os.File
	handle uint64 // of this opening, for Change
	append bool
}

// Op is what a Change does.
type Op int

// The operations that are observed.
const (
	OpOpened    Op = iota // the file of Path, which now has Handle; it may be new
	OpWritten             // Data, at Offset of the file of Handle
	OpTruncated           // the file of Handle, to the size Offset
	OpSynced              // the file of Handle
	OpRenamed             // Path to To
	OpLinked              // Path, which has the name To, too
	OpRemoved             // Path
	OpDirSynced           // the directory Path
)

// Change is an operation on a file or directory, after it has succeeded.
type Change struct {
	Op       Op
	Path, To string
	Handle   uint64
	Offset   int64 // in bytes
	Data     []byte
}

var (
	observer atomic.Pointer[func(Change)]
	handles  atomic.Uint64
)

// Observe calls each for every change that this package makes, until stop is called. It is for
// tests. Changes of several goroutines may be reported at the same time.
func Observe(each func(Change)) (stop func()) {
	observer.Store(&each)
	return func() { observer.Store(nil) }
}

func report(c Change) {
	if each := observer.Load(); each != nil {
		(*each)(c)
	}
}

// OpenFile is os.OpenFile.
func OpenFile(path string, flags int, mode fs.FileMode) (*File, error) {
	f, err := os.OpenFile(path, flags, mode)
	if err != nil {
		return nil, err
	}
	file := newFile(f)
	file.append = flags&os.O_APPEND != 0
	if flags&os.O_TRUNC != 0 {
		report(Change{Op: OpTruncated, Handle: file.handle})
	}
	return file, nil
}

// newFile reports that f was opened.
func newFile(f *os.File) *File {
	file := &File{File: f, handle: handles.Add(1)}
	report(Change{Op: OpOpened, Path: f.Name(), Handle: file.handle})
	return file
}

// Write is os.File.Write.
func (f *File) Write(p []byte) (int, error) {
	if observer.Load() == nil {
		return f.File.Write(p)
	}
	at, err := f.position()
	if err != nil {
		return 0, err
	}
	n, err := f.File.Write(p)
	report(Change{Op: OpWritten, Handle: f.handle, Offset: at, Data: append([]byte(nil), p[:n]...)})
	return n, err
}

// position is where Write writes.
func (f *File) position() (int64, error) {
	if !f.append {
		return f.Seek(0, io.SeekCurrent)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// WriteString is os.File.WriteString.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// WriteAt is os.File.WriteAt.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	if observer.Load() != nil {
		report(Change{Op: OpWritten, Handle: f.handle, Offset: offset, Data: append([]byte(nil), p[:n]...)})
	}
	return n, err
}

// ReadFrom is os.File.ReadFrom.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if observer.Load() == nil {
		return f.File.ReadFrom(r)
	}
	return io.Copy(writer{f}, r)
}

// writer hides ReadFrom.
type writer struct{ io.Writer }

// Truncate is os.File.Truncate.
func (f *File) Truncate(size int64) error {
	err := f.File.Truncate(size)
	if err == nil {
		report(Change{Op: OpTruncated, Handle: f.handle, Offset: size})
	}
	return err
}

// Sync is os.File.Sync: what was written to the file survives a power failure, but not the file's
// name, see SyncDir.
func (f *File) Sync() error {
	err := f.File.Sync()
	if err == nil {
		report(Change{Op: OpSynced, Handle: f.handle})
	}
	return err
}

// Truncate is os.Truncate of an existing file.
func Truncate(path string, size int64) error {
	f, err := OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// Rename is os.Rename.
func Rename(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		report(Change{Op: OpRenamed, Path: from, To: to})
	}
	return err
}

// Remove is os.Remove.
func Remove(path string) error {
	err := os.Remove(path)
	if err == nil {
		report(Change{Op: OpRemoved, Path: path})
	}
	return err
}

// SyncDir makes the names of a directory survive a power failure: files that were created, renamed
// or removed in it. Where the system cannot do that, it does nothing.
func SyncDir(dir string) error {
	if err := syncDir(dir); err != nil {
		return &fs.PathError{Op: "sync", Path: dir, Err: bare(err)}
	}
	report(Change{Op: OpDirSynced, Path: filepath.Clean(dir)})
	return nil
}
