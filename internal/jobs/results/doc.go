// Package results writes and reads the parts of a job's results, and merges them.
//
// A part is an object with the records of one batch, as JSON lines compressed with zstd. Parts may
// overlap, because a batch may have been split or cut in another way: of several records of an
// item, the first one that is a result counts, in the order of the parts' first items.
package results
