// Package train trains networks on pictures with masks.
//
// A training step is a graph for the engine (forward pass and gradients) and an optimizer in Go. A
// loader prepares the next batches meanwhile. Validation, checkpoints and the log follow each
// epoch.
//
// With the same configuration, data, seed and number of threads, training gives the same weights,
// bit for bit, and so does a training that was interrupted and resumed. The exception is
// Config.MaxTime, which makes the result depend on the clock.
package train
