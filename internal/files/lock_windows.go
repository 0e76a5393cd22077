package files

import (
	"errors"

	"golang.org/x/sys/windows"
)

// beyond is an offset beyond the end of any file: Windows locks are mandatory, so a lock on the
// contents would keep others from reading and writing them.
func beyond() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1 << 30} }

// LockExclusive takes a lock that excludes all others, or returns ErrLocked at once. The lock
// belongs to this opening of the file: a second opening by the same process is excluded, too.
func LockExclusive(f descriptor) error { return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// LockShared takes a lock that excludes exclusive ones, or returns ErrLocked at once.
func LockShared(f descriptor) error { return lock(f, 0) }

func lock(f descriptor, how uint32) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, beyond())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// Unlock releases the lock before f is closed.
func Unlock(f descriptor) { _ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, beyond()) }
