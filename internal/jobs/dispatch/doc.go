// Package dispatch keeps the queue filled with batches of the jobs that are to be worked on.
//
// A dispatcher keeps a small window of batches in the queue for each pool of workers. It follows
// the events of finished batches, puts in again what is neither in the queue nor finished, and
// merges the results of a job that is complete. What it knows can be read again from the manifest,
// the parts and the queue, so a dispatcher may die at any moment. Two of them at once do no harm:
// they only repeat messages, which the queue refuses.
package dispatch
