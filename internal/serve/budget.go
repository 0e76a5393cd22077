package serve

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// budget is a number of bytes that can be taken and given back.
type budget struct {
	size int64
	sem  *semaphore.Weighted
	used atomic.Int64
}

func newBudget(size int64) *budget {
	return &budget{size: size, sem: semaphore.NewWeighted(size)}
}

// tryTake takes n bytes if they are there.
func (b *budget) tryTake(n int64) bool {
	if !b.sem.TryAcquire(n) {
		return false
	}
	b.used.Add(n)
	return true
}

// take waits for n bytes, no more than there are in all. Who waits longest is
// next, so that a large picture is not passed by for ever.
func (b *budget) take(ctx context.Context, n int64) error {
	if err := b.sem.Acquire(ctx, n); err != nil {
		return err
	}
	b.used.Add(n)
	return nil
}

func (b *budget) give(n int64) {
	b.used.Add(-n)
	b.sem.Release(n)
}
