package dispatch

import (
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// lane is a queue of its own: workers ask for the messages of a pool by priority.
type lane struct {
	pool     string
	priority queue.Priority
}

// tracked is what a dispatcher knows about a job that is to be worked on.
type tracked struct {
	job      schema.Job
	revision uint64 // of the job's entry
	lane     lane

	done    set // items with a part in the store
	counted set // items of which counts knows
	counts  schema.Counts
	taken   set // items that are done or in the queue
	// queued are the batches in the queue, those being worked on included.
	queued map[schema.Range]bool

	rate    rate
	merging bool
	retry   time.Time // not before then after a failed merge
	changed bool      // since progress was published
	shown   time.Time // when progress was published
}

func newTracked(job schema.Job, revision uint64, pool string) *tracked {
	return &tracked{
		job: job, revision: revision, lane: lane{pool, job.Priority},
		queued: map[schema.Range]bool{}, changed: true,
	}
}

// finish takes the event that a batch is finished. It may have been finished before.
func (t *tracked) finish(f *schema.Finished, now time.Time) {
	if f.Range().End() > t.job.Items {
		return
	}
	t.done.add(f.Range())
	t.taken.add(f.Range())
	if fresh := t.counted.add(f.Range()); fresh > 0 {
		c := f.Counts()
		if fresh < f.N { // some items were finished in another batch, too
			c = schema.Counts{Done: fresh, Failed: min(c.Failed, fresh), Dead: min(c.Dead, fresh), Flagged: min(c.Flagged, fresh)}
		}
		t.counts.Add(c)
		t.rate.add(now, fresh)
	}
	delete(t.queued, f.Range())
	t.changed = true
}

// next is the next batch of at most n items to put in; false if all items are done or in the queue.
func (t *tracked) next(n int) (schema.Range, bool) {
	r, ok := t.taken.gap(t.job.Items, n)
	if !ok {
		return r, false
	}
	// A batch is in one part of the manifest.
	end := (r.From/schema.PartItems + 1) * schema.PartItems
	r.N = min(r.N, end-r.From)
	return r, true
}

// put notes that a batch is in the queue.
func (t *tracked) put(r schema.Range) {
	t.taken.add(r)
	t.queued[r] = true
	t.changed = true
}

// reconcile takes the batches that are in the queue. It reports whether the queue lacks batches
// that were put in and are not known to be done.
func (t *tracked) reconcile(work []schema.Range) (lacking bool) {
	before := t.taken.count
	t.queued = map[schema.Range]bool{}
	t.taken = t.done.clone()
	for _, r := range work {
		t.taken.add(r)
		if !t.done.has(r) {
			t.queued[r] = true
		}
	}
	return t.taken.count < before
}

// left is how many items are neither done nor in the queue.
func (t *tracked) left() int { return t.job.Items - t.taken.count }

func (t *tracked) complete() bool { return t.done.count >= t.job.Items }

// progress is what others can read about the job.
func (t *tracked) progress(now time.Time) schema.Progress {
	p := schema.Progress{V: schema.Version, Job: t.job.ID, Counts: t.counts, Queued: len(t.queued), Rate: t.rate.perSecond(now)}
	p.Counts.Done = t.done.count
	if p.Rate > 0 {
		eta := float64(t.job.Items-t.done.count) / p.Rate
		p.ETA = &eta
	}
	return p
}
