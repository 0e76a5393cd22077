// Package runs keeps what long work has reached, such as the checkpoints of a training.
//
// Such work is one message of the queue. Its worker may be cut off and work on while another one
// continues. So the latest checkpoint is an entry of the queue's bucket that moves only by
// compare-and-set: a worker that claims the work changes the entry, and one that has lost it fails
// at its next checkpoint. The files of a checkpoint are objects of the store under names that no
// other claim uses, so that nothing is overwritten.
//
// What is finished is an object of the store, and is not lost with the queue. Work under way begins
// again then.
package runs
