//go:build !linux && !darwin && !windows

package files

// FreeSpace does not know here.
func FreeSpace(string) (int64, bool) { return 0, false }
