//go:build linux || darwin

package files

import (
	"errors"

	"golang.org/x/sys/unix"
)

// LockExclusive takes a lock that excludes all others, or returns ErrLocked at once. The lock
// belongs to this opening of the file: a second opening by the same process is excluded, too.
func LockExclusive(f descriptor) error { return lock(f, unix.LOCK_EX) }

// LockShared takes a lock that excludes exclusive ones, or returns ErrLocked at once.
func LockShared(f descriptor) error { return lock(f, unix.LOCK_SH) }

func lock(f descriptor, how int) error {
	switch err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrLocked
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS):
		return ErrNoLocks
	default:
		return err
	}
}

// Unlock releases the lock before f is closed.
func Unlock(f descriptor) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }
