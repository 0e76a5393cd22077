// Package store keeps objects, such as pictures and results, in a directory or a bucket.
//
// [Open] opens a store by its URL:
//
//	file:///srv/declip              a directory
//	s3://bucket/prefix              Amazon S3, or a server that speaks its protocol
//
// Objects are written as a whole: a reader finds the old object or the new one, also after a power
// failure.
package store
