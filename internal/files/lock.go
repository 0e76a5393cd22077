package files

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked is returned when another process holds a lock that excludes the requested one.
	ErrLocked = errors.New("locked by another process")
	// ErrNoLocks is returned where the system or the file system has no locks.
	ErrNoLocks = errors.New("file locks are not available")
	// ErrUnknownLocks is the ErrNoLocks of systems for which this package has no implementation.
	ErrUnknownLocks = fmt.Errorf("%w: not implemented for this system", ErrNoLocks)
)

// descriptor is an open file: an os.File or a File.
type descriptor interface{ Fd() uintptr }
