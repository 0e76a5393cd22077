package queue

import "errors"

// Errors of an Engine. Test with errors.Is: the errors that are returned name the subject or key.
var (
	// ErrNotFound: there is no such key, or no consumer for the pool yet.
	ErrNotFound = errors.New("not found")
	// ErrExists: Create of a key that has a value.
	ErrExists = errors.New("exists already")
	// ErrConflict: the key was changed since the revision that Update or Delete named.
	ErrConflict = errors.New("changed by somebody else")
	// ErrFull: the stream or the server's disk takes no more. It is worth trying again later.
	ErrFull = errors.New("the queue is full")
	// ErrUnavailable: the servers did not answer in time. It is worth trying again.
	ErrUnavailable = errors.New("the queue does not answer")
	// ErrDenied: these credentials may not do it. Trying again does not help.
	ErrDenied = errors.New("not permitted with these credentials")
	// ErrInvalid: a subject, token, filter or key is malformed, or a message is too large.
	ErrInvalid = errors.New("invalid")
	// ErrClosed: the engine, reader or taker was closed.
	ErrClosed = errors.New("closed")
	// ErrBusy: another process uses the directory of an embedded queue.
	ErrBusy = errors.New("used by another process")
)

// isNotFound says whether err wraps ErrNotFound.
func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
