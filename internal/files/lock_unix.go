//go:build linux || darwin

package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// LockExclusive locks f for this opening of it alone, without waiting.
func LockExclusive(f *os.File) error { return lock(f, unix.LOCK_EX) }

// LockShared locks f against exclusive locks, without waiting.
func LockShared(f *os.File) error { return lock(f, unix.LOCK_SH) }

func lock(f *os.File, how int) error {
	switch err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrLocked
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS):
		return ErrNoLocks
	default:
		return err
	}
}

// Unlock ends a lock early.
func Unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }
