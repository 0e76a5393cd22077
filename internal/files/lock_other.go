//go:build !linux && !darwin && !windows

package files

import "os"

// LockExclusive does nothing: this system's locks are not known here.
func LockExclusive(*os.File) error { return ErrUnknownLocks }

// LockShared does nothing.
func LockShared(*os.File) error { return ErrUnknownLocks }

// Unlock does nothing.
func Unlock(*os.File) {}
