//go:build !linux

package cli

import "math"

// openFilesLimit is not known here.
func openFilesLimit() int64 { return math.MaxInt64 }

// memoryLimit is not known here.
func memoryLimit() (bytes int64, source string) { return math.MaxInt64, "" }
