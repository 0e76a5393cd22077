//go:build !linux && !darwin && !windows

package files

// LockExclusive does nothing and returns ErrUnknownLocks.
func LockExclusive(descriptor) error { return ErrUnknownLocks }

// LockShared does nothing and returns ErrUnknownLocks.
func LockShared(descriptor) error { return ErrUnknownLocks }

// Unlock does nothing.
func Unlock(descriptor) {}
