// Package manifest writes and reads the list of a job's pictures, and makes it from many inputs.
//
// A manifest is JSON lines, compressed with zstd, in objects of schema.PartItems items each. It is
// written before the job exists and never changed.
package manifest
