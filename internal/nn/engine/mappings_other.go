//go:build !linux

package engine

import "math"

// stillMapped is not called, because all weights are read into memory.
func stillMapped(*weightsFiles, []initializer) bool { return false }

// smallWeights is the size in bytes up to which weights are read into memory right away: all,
// because it is not known which parts of a file are mapped.
const smallWeights = math.MaxInt64
