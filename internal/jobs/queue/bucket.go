package queue

import (
	"context"
	"time"
)

// Names of the buckets, with the form of their keys.
const (
	// BucketJobs has the state of jobs: JobKey. Five revisions are kept.
	BucketJobs = "jobs"
	// BucketTries has the starts of suspicious items: TryKey. Entries live for seven days.
	BucketTries = "tries"
	// BucketLeases has the leases of dispatchers and the heartbeats of workers: DispatchKey,
	// WorkerKey. Entries live for LeaseTTL.
	BucketLeases = "leases"
	// BucketRuns has the latest checkpoints of trainings: RunKey. Five revisions are kept.
	BucketRuns = "runs"
)

// Bucket holds values by keys. Keys are tokens joined by "."; a filter selects keys as it does
// subjects.
type Bucket interface {
	// Get returns the value of a key, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Create sets a key that has no value, or returns ErrExists.
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	// Update sets a key whose last change is revision, or returns ErrConflict.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Put sets a key, with or without a value.
	Put(ctx context.Context, key string, value []byte) (revision uint64, err error)
	// Delete removes a key whose last change is revision, or returns ErrConflict. Revision 0 is any.
	// A missing key is not an error.
	Delete(ctx context.Context, key string, revision uint64) error
	// List returns the entries that filter selects, in the order of their last changes. In a cluster
	// it may be some milliseconds behind.
	List(ctx context.Context, filter string) ([]Entry, error)
	// Keys returns the keys that filter selects, in no order, without reading their values. Keys that
	// were deleted may be among them.
	Keys(ctx context.Context, filter string) ([]string, error)
	// Watch gives the entries that filter selects, a change of the kind Ready, and then all changes.
	// In a cluster an entry of the last milliseconds may come after Ready.
	Watch(ctx context.Context, filter string) (Watcher, error)
}

// Entry is the value of a key.
type Entry struct {
	Key   string
	Value []byte
	// Revision numbers the changes of the bucket.
	Revision uint64
	// Time is when the value was set, by the server's clock.
	Time time.Time
}

// Kind says what a Change is.
type Kind int

// The kinds of changes.
const (
	// Set: Entry is the new value.
	Set Kind = iota
	// Deleted: the key no longer has a value; Entry.Value is nil. An entry that has outlived its
	// bucket is deleted, too.
	Deleted
	// Ready: all entries that existed when the watch began have been given. Entry is empty.
	Ready
)

// Change is what a Watcher gives.
type Change struct {
	Kind Kind
	Entry
}

// Watcher gives the changes of a bucket. After an interruption it gives all entries again; several
// changes of one key may then be given as the last of them.
type Watcher interface {
	// Next waits for the next change until ctx ends, and returns its cause then.
	Next(ctx context.Context) (Change, error)
	Close() error
}
