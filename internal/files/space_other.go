//go:build !linux && !darwin && !windows

package files

// FreeSpace returns false: it has no implementation for this system.
func FreeSpace(string) (int64, bool) { return 0, false }
