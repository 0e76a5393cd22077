// Package filelock locks open files against other processes. A lock ends when its file is closed or its process ends,
// whatever ends it; it hinders nobody who does not ask for it.
package filelock

import (
	"errors"
	"fmt"
)

var (
	// ErrBusy is the answer when another has a lock that excludes the one asked for.
	ErrBusy = errors.New("locked by another process")
	// ErrNone is the answer of a system, or a file system, that has no locks.
	ErrNone = errors.New("no file locks here")
	// ErrUnknown is an ErrNone: that of a system whose locks are not known here.
	ErrUnknown = fmt.Errorf("%w: this system's are not known", ErrNone)
)
