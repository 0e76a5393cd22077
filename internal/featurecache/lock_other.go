//go:build !linux && !darwin && !windows

package featurecache

import "os"

const (
	exclusive = iota
	shared
)

// lock does nothing: this system's locks are not known here.
func lock(*os.File, int) error { return errNoLocks }

func unlock(*os.File) {}

func freeSpace(string) (int64, bool) { return 0, false }
