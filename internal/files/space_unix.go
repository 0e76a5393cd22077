//go:build linux || darwin

package files

import "golang.org/x/sys/unix"

// FreeSpace returns the number of bytes that can still be written to the disk of dir, and false if
// it is unknown.
func FreeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:unconvert // Bsize has other types on other systems
}
