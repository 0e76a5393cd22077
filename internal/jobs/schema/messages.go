package schema

import (
	"cmp"
	"slices"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
)

// Batch is the message that gives a worker a range of a job's items.
type Batch struct {
	V        int            `json:"v"`
	Job      string         `json:"job"`
	Tenant   string         `json:"tenant"`
	Digest   string         `json:"digest"` // of the job's model
	Part     int            `json:"part"`   // of the manifest, which holds all of the range
	From     int            `json:"from"`
	N        int            `json:"n"`
	Priority queue.Priority `json:"priority"`
	Created  time.Time      `json:"created"`
}

// Range is the batch's range.
func (b *Batch) Range() Range { return Range{b.From, b.N} }

// Check implements the strict reading of batches.
func (b *Batch) Check() error {
	r := b.Range()
	if err := cmp.Or(checkVersion("batch", b.V), checkToken("job", b.Job), checkToken("tenant", b.Tenant),
		checkDigest("batch's digest", b.Digest), r.check("batch")); err != nil {
		return err
	}
	switch {
	case b.Part != r.From/PartItems || b.Part != (r.End()-1)/PartItems:
		return invalid("batch", "range %s is not in part %d of the manifest", r, b.Part)
	case !slices.Contains(queue.Priorities, b.Priority):
		return invalid("batch", "priority %q", b.Priority)
	}
	return nil
}

// Finished is the event that a batch is done and its part is in the store.
type Finished struct {
	V       int    `json:"v"`
	Job     string `json:"job"`
	From    int    `json:"from"`
	N       int    `json:"n"`
	OK      int    `json:"ok"`
	Failed  int    `json:"failed"` // dead ones included
	Dead    int    `json:"dead"`
	Flagged int    `json:"flagged"`
	// MS is how long the worker computed, in milliseconds, without waiting for the store.
	MS     float64 `json:"ms"`
	Worker string  `json:"worker"`
	// PartSHA256 is the digest of the part's bytes, as stored.
	PartSHA256 string `json:"part_sha256"`
}

// Range is the range of the batch that was done.
func (f *Finished) Range() Range { return Range{f.From, f.N} }

// Counts are the numbers of the batch's items.
func (f *Finished) Counts() Counts {
	return Counts{Done: f.OK + f.Failed, Failed: f.Failed, Dead: f.Dead, Flagged: f.Flagged}
}

// Check implements the strict reading of events.
func (f *Finished) Check() error {
	if err := cmp.Or(checkVersion("done event", f.V), checkToken("job", f.Job), f.Range().check("done event"),
		checkToken("worker", f.Worker), checkDigest("part's digest", f.PartSHA256)); err != nil {
		return err
	}
	if f.OK < 0 || f.Failed < 0 || f.OK+f.Failed != f.N || f.Dead < 0 || f.Dead > f.Failed || f.Flagged < 0 || f.Flagged > f.OK || !(f.MS >= 0) {
		return invalid("done event", "%d ok, %d failed, %d dead and %d flagged of %d items in %g ms",
			f.OK, f.Failed, f.Dead, f.Flagged, f.N, f.MS)
	}
	return nil
}

// Worker is what a worker says about itself as long as it lives.
type Worker struct {
	V       int      `json:"v"`
	ID      string   `json:"id"`
	Pools   []string `json:"pools"`
	Slots   int      `json:"slots"` // batches that it works on at the same time
	Busy    int      `json:"busy"`  // slots with a batch
	Version string   `json:"version"`
}

// Check implements the strict reading of workers.
func (w *Worker) Check() error {
	if err := cmp.Or(checkVersion("worker", w.V), checkToken("worker", w.ID)); err != nil {
		return err
	}
	if w.Slots < 1 || w.Busy < 0 || len(w.Pools) == 0 {
		return invalid("worker", "%d slots, %d busy, %d pools", w.Slots, w.Busy, len(w.Pools))
	}
	for _, p := range w.Pools {
		if err := checkToken("pool", p); err != nil {
			return err
		}
	}
	return nil
}

// Progress is what the dispatcher knows about a job that is running.
type Progress struct {
	V      int    `json:"v"`
	Job    string `json:"job"`
	Counts Counts `json:"counts"`
	Queued int    `json:"queued"` // batches in the queue and with workers
	// Rate is the number of items done per second over the last minute; 0 if it is not known yet.
	Rate float64 `json:"rate"`
	// ETA is how many seconds are left at this rate; nil if it is not known yet.
	ETA     *float64 `json:"eta_s,omitempty"`
	Workers int      `json:"workers"` // that have the job's model
	Slots   int      `json:"slots"`   // of these workers
}

// Check implements the strict reading of progress.
func (p *Progress) Check() error {
	if p.Queued < 0 || !(p.Rate >= 0) || p.Workers < 0 || p.Slots < 0 {
		return invalid("progress", "%d queued, rate %g, %d workers, %d slots", p.Queued, p.Rate, p.Workers, p.Slots)
	}
	return cmp.Or(checkVersion("progress", p.V), checkToken("job", p.Job))
}

// Start is the journal of an item that is suspected to kill workers.
type Start struct {
	V      int    `json:"v"`
	Count  int    `json:"count"`  // how often a worker began it
	Worker string `json:"worker"` // the last one that did
}

// Check implements the strict reading of journals.
func (s *Start) Check() error {
	if s.Count < 1 {
		return invalid("start", "count %d", s.Count)
	}
	return cmp.Or(checkVersion("start", s.V), checkToken("worker", s.Worker))
}
