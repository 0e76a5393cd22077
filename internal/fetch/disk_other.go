//go:build !linux && !darwin && !windows

package fetch

import "os"

// tryLock does nothing: this system's locks are not known here.
func tryLock(*os.File) error { return nil }

func freeSpace(string) (int64, bool) { return 0, false }
