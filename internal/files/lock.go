// Package files locks open files against other processes. A lock ends when its file is closed or its process ends,
// whatever ends it; it hinders nobody who does not ask for it.
package files

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked is the answer when another has a lock that excludes the one asked for.
	ErrLocked = errors.New("locked by another process")
	// ErrNoLocks is the answer of a system, or a file system, that has no locks.
	ErrNoLocks = errors.New("no file locks here")
	// ErrUnknownLocks is an ErrNoLocks: that of a system whose locks are not known here.
	ErrUnknownLocks = fmt.Errorf("%w: this system's are not known", ErrNoLocks)
)
