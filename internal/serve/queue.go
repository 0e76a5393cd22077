package serve

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue holds the tasks that wait for a model, in the order they came in. It is
// bounded: what finds no place is refused, not made to wait.
type queue struct {
	limit int

	mu      sync.Mutex
	waiting []*task
	changed chan struct{} // closed, and made anew, when a task comes in
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, changed: make(chan struct{})}
}

// put takes all tasks in, or none of them.
func (q *queue) put(tasks ...*task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(tasks) > q.limit {
		return false
	}
	q.waiting = append(q.waiting, tasks...)
	close(q.changed)
	q.changed = make(chan struct{})
	return true
}

// remove frees the place of a task, if it waits still.
func (q *queue) remove(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, t); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// length is how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// take waits for a task and gives it with those behind it: at most most, of at
// most pixels pixels together unless the first alone has more. While there are
// fewer it waits for more until wait is over. It gives nothing when ctx ends.
func (q *queue) take(ctx context.Context, most int, pixels int64, wait time.Duration) []*task {
	var deadline <-chan time.Time
	for {
		q.mu.Lock()
		n, full := q.fitting(most, pixels)
		if n > 0 && deadline == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			deadline = timer.C
		}
		if full || n > 0 && wait <= 0 {
			defer q.mu.Unlock()
			return q.cut(n)
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			q.mu.Lock()
			n, _ := q.fitting(most, pixels)
			batch := q.cut(n)
			q.mu.Unlock()
			if len(batch) > 0 {
				return batch
			}
			deadline = nil // those that were there have left
		case <-ctx.Done():
			return nil
		}
	}
}

// fitting is how many of the first tasks make a batch, and whether waiting could
// not make it larger.
func (q *queue) fitting(most int, pixels int64) (n int, full bool) {
	for _, t := range q.waiting {
		if n == most || n > 0 && t.pixels > pixels {
			return n, true
		}
		pixels -= t.pixels
		n++
	}
	return n, n == most
}

func (q *queue) cut(n int) []*task {
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}
