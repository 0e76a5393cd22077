package featurecache

import "errors"

// errNoLocks is the answer of a system that has none. Each process then adds to shards that it made itself, and none is
// removed.
var errNoLocks = errors.New("no file locks here")
