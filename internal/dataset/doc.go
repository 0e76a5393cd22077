// Package dataset reads pictures with their masks for training and evaluation.
//
// Open recognises the layout of a data set on disk. A Maker turns its samples into normalised crops
// with targets, and a Loader prepares batches of these in parallel.
//
// Every random choice depends on a seed and on the position in the sequence only. The batches are
// the same for any number of workers, and a training can be resumed at any step.
package dataset
