// Package features computes the features of frozen backbones and caches them on disk.
//
// A [Source] gives features for pictures: [Passes] runs the backbones, [PerPicture] runs them one
// picture at a time, and [Cached] looks in a [Cache] first. With a cache each picture goes through
// a backbone once, and not in every epoch.
//
// # The cache on disk
//
// A cache is a directory of shards. A shard is a large file of values that only grows, with an
// index next to it. Every record and every index entry carries a checksum, so that a truncated or
// damaged one counts as missing. Several processes may use a directory at a time: each adds to
// shards of its own, which it holds locked, and reads all of them. Only the running time depends on
// what the cache holds, since a caller computes what it does not find.
package features
