// Package jobs runs models on lists of pictures of any length, on one machine or on many.
//
// A job is submitted to a [Service], a dispatcher (package dispatch) puts its batches into the
// queue (package queue), workers (package worker) take them, and the results are merged in a store
// (package store). The queue can be lost: a job's manifest and its parts in the store are the
// truth. docs/jobs.md shows how to run it.
package jobs
