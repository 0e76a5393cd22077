package serve

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// budget is an amount of memory, in bytes, that can be taken and returned.
type budget struct {
	size int64
	sem  *semaphore.Weighted
	used atomic.Int64
}

func newBudget(size int64) *budget {
	return &budget{size: size, sem: semaphore.NewWeighted(size)}
}

// tryTake takes n bytes if they are available.
func (b *budget) tryTake(n int64) bool {
	if !b.sem.TryAcquire(n) {
		return false
	}
	b.used.Add(n)
	return true
}

// take waits for n bytes, at most the size of the budget. The longest waiter is served first, so
// that small pictures do not overtake a large one forever.
func (b *budget) take(ctx context.Context, n int64) error {
	if err := b.sem.Acquire(ctx, n); err != nil {
		return err
	}
	b.used.Add(n)
	return nil
}

// give returns n bytes.
func (b *budget) give(n int64) {
	b.used.Add(-n)
	b.sem.Release(n)
}
