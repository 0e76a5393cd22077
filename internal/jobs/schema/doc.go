// Package schema defines the messages, objects and names of jobs.
//
// A job is a list of pictures that one model looks at. Its manifest lists the pictures, a batch is
// a range of the manifest, and a part holds the records of a batch. All of them are JSON, read
// strictly: an unknown field or version is an error, so that no program of another version
// misunderstands a message in silence.
package schema
