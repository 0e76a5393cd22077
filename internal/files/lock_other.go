//go:build !linux && !darwin && !windows

package files

import "os"

// LockExclusive does nothing and returns ErrUnknownLocks.
func LockExclusive(*os.File) error { return ErrUnknownLocks }

// LockShared does nothing and returns ErrUnknownLocks.
func LockShared(*os.File) error { return ErrUnknownLocks }

// Unlock does nothing.
func Unlock(*os.File) {}
