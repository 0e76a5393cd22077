package files

import "golang.org/x/sys/windows"

// FreeSpace returns the number of bytes that can still be written to the disk of dir, and false if
// it is unknown.
func FreeSpace(dir string) (int64, bool) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, false
	}
	return int64(min(free, 1<<62)), true
}
