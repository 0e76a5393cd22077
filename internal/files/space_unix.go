//go:build linux || darwin

package files

import "golang.org/x/sys/unix"

// FreeSpace is how many bytes may yet be written to a folder, if that is known.
func FreeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
