package dispatch

import (
	"math"
	"time"
)

// Bounds of a batch. It holds about batchSeconds of work: that keeps the cost of a message under
// one percent of the work, and a worker that dies loses half of it on average.
const (
	batchSeconds = 4
	firstBatch   = 16 // items, before any batch of the pool was measured
	maxBatch     = 1024
)

// speed is the time that a pool's workers need for an item.
type speed struct {
	seconds float64 // for an item, averaged; 0 before the first batch
}

// add adds a batch of n items that took ms milliseconds.
func (s *speed) add(n int, ms float64) {
	if n < 1 {
		return
	}
	item := ms / 1000 / float64(n)
	if s.seconds == 0 {
		s.seconds = item
		return
	}
	const share = 0.2 // of the newest batch
	s.seconds += share * (item - s.seconds)
}

// batch is how many items make a batch.
func (s *speed) batch() int {
	if s.seconds == 0 {
		return firstBatch
	}
	return int(min(max(math.Round(batchSeconds/s.seconds), 1), maxBatch))
}

// rateWindow is the time over which the rate of a job is averaged.
const rateWindow = time.Minute

// rate is how many items of a job are done per second: an average in which what was a window ago
// counts 1/e.
type rate struct {
	start   time.Time // of the first batch
	last    time.Time
	weight  float64 // seconds in the average
	items   float64 // done in them
	batches int
}

// add takes items that were done at a time.
func (r *rate) add(now time.Time, items int) {
	r.batches++
	if r.start.IsZero() { // how long the first batch took is not known
		r.start, r.last = now, now
		return
	}
	r.decay(now)
	r.items += float64(items)
}

func (r *rate) decay(now time.Time) {
	passed := now.Sub(r.last)
	if passed <= 0 {
		return
	}
	keep := math.Exp(-passed.Seconds() / rateWindow.Seconds())
	r.items *= keep
	r.weight = r.weight*keep + rateWindow.Seconds()*(1-keep)
	r.last = now
}

// perSecond is the rate, 0 before three batches are done.
func (r *rate) perSecond(now time.Time) float64 {
	const few = 3 // batches, of which a rate would be a guess
	if r.batches < few {
		return 0
	}
	r.decay(now)
	if r.weight <= 0 {
		return 0
	}
	return r.items / r.weight
}
