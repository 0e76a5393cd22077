package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of a Store. Test with errors.Is: the errors that are returned name the object. Errors that
// wrap none of them, such as a key that is a directory, do not go away by trying again.
var (
	// ErrNotFound: there is no such object, or no such bucket.
	ErrNotFound = errors.New("not found")
	// ErrExists: PutIfAbsent of an object that exists.
	ErrExists = errors.New("exists already")
	// ErrUnavailable: the store did not answer, is overloaded or full. It is worth trying again.
	ErrUnavailable = errors.New("the store is not available")
	// ErrDenied: these credentials may not do it, or a link leads out of the directory.
	ErrDenied = errors.New("not permitted")
	// ErrInvalid: the key or URL is malformed.
	ErrInvalid = errors.New("invalid")
)

// partSize is how much of an object may be held in memory, in bytes: larger ones are sent in parts
// of this size.
const partSize = 16 << 20

// Store keeps objects by keys. A key is a path as [CheckKey] permits it. All methods may be called
// by several goroutines at the same time, and by several processes.
type Store interface {
	// Get opens an object. Info has its size. The reader is to be closed.
	Get(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// GetRange opens n bytes of an object from an offset, or fewer if it ends before.
	GetRange(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error)
	// Stat describes an object.
	Stat(ctx context.Context, key string) (Info, error)
	// Put writes an object, replacing any, with what body gives until io.EOF. When Put returns without
	// an error, the object survives a power failure. If body fails, nothing is written.
	Put(ctx context.Context, key string, body io.Reader) error
	// PutIfAbsent is Put for an object that must not exist, or it returns ErrExists. Of several
	// writers at the same time, one succeeds.
	PutIfAbsent(ctx context.Context, key string, body io.Reader) error
	// List gives the objects whose keys begin with prefix, in the order of their bytes. A prefix that
	// means a directory ends with "/". An error with a key in Info is about this object, and the
	// listing continues behind it; any other ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object. A missing one is not an error.
	Delete(ctx context.Context, key string) error
	// URL names the store, without credentials.
	URL() string
	// Close releases what the store holds open.
	Close() error
}

// Info describes an object.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Options say how a store is opened.
type Options struct {
	// ReadOnly refuses writing and deleting with ErrDenied: sources of pictures are opened so.
	ReadOnly bool
}

// isNotFound says whether err wraps ErrNotFound.
func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
