package serve

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue holds the jobs that wait for a model, in order of arrival. It is bounded: a job that finds
// no room is refused at once.
type queue struct {
	limit int

	mu      sync.Mutex
	waiting []*job
	changed chan struct{} // closed and replaced when a job arrives
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, changed: make(chan struct{})}
}

// put adds all jobs, or none if there is not enough room.
func (q *queue) put(jobs ...*job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(jobs) > q.limit {
		return false
	}
	q.waiting = append(q.waiting, jobs...)
	close(q.changed)
	q.changed = make(chan struct{})
	return true
}

// remove removes a job that still waits.
func (q *queue) remove(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, j); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// ahead is the number of jobs that wait before j, and whether j waits.
func (q *queue) ahead(j *job) (n int, waits bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, j)
	return max(i, 0), i >= 0
}

// length is the number of jobs that wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// take waits for a job and returns it with those behind it: at most n jobs, of at most room
// bytes in total. A single job may take more. If there are fewer jobs than n, take waits
// for more, up to the given time. It returns nil when ctx ends.
func (q *queue) take(ctx context.Context, n int, room int64, wait time.Duration) []*job {
	var deadline <-chan time.Time
	for {
		jobs, waiting, changed := q.takeFull(n, room, wait <= 0)
		if len(jobs) > 0 {
			return jobs
		}
		if waiting && deadline == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-changed:
		case <-deadline:
			if jobs, _, _ := q.takeFull(n, room, true); len(jobs) > 0 {
				return jobs
			}
			deadline = nil // the jobs that were there have left
		case <-ctx.Done():
			return nil
		}
	}
}

// takeFull takes the first jobs if waiting could not make the batch larger, or in any case if
// partial is true. Otherwise it reports whether jobs wait, and gives the channel that is closed
// when another one arrives.
func (q *queue) takeFull(n int, room int64, partial bool) (jobs []*job, waiting bool, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, full := q.fitting(n, room)
	if !full && !partial {
		return nil, size > 0, q.changed
	}
	jobs = slices.Clone(q.waiting[:size])
	q.waiting = slices.Delete(q.waiting, 0, size)
	return jobs, false, q.changed
}

// fitting gives the number of jobs at the front that make a batch, and whether waiting could not
// make the batch larger.
func (q *queue) fitting(n int, room int64) (size int, full bool) {
	for _, j := range q.waiting {
		if size == n || size > 0 && j.bytes > room {
			return size, true
		}
		room -= j.bytes
		size++
	}
	return size, size == n
}
