package schema

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
)

// State is what happens to a job.
type State string

// The states of a job. Done, failed and cancelled jobs are over; they can only be retried or
// removed.
const (
	Queued    State = "queued" // nothing of it is done yet
	Running   State = "running"
	Paused    State = "paused"
	Cancelled State = "cancelled"
	Done      State = "done"
	Failed    State = "failed"
)

// States lists the states.
var States = []State{Queued, Running, Paused, Cancelled, Done, Failed}

// Active reports whether the job's items are to be worked on.
func (s State) Active() bool { return s == Queued || s == Running }

// Over reports whether the job has ended.
func (s State) Over() bool { return s == Cancelled || s == Done || s == Failed }

// Which maps of pictures a job stores.
const (
	MapsNone    = "none"
	MapsFlagged = "flagged" // of pictures with more than 1 % of their pixels over the threshold
	MapsAll     = "all"
)

// Maps lists the values of Options.Maps.
var Maps = []string{MapsNone, MapsFlagged, MapsAll}

// Classes lists the classes of devices that jobs run on. The last bits of results differ between
// them, so a job runs on one class.
var Classes = []queue.Class{queue.CPU, queue.GPU}

// Options are how a job's pictures are looked at.
type Options struct {
	Threshold float64 `json:"threshold"`  // in (0,1)
	Maps      string  `json:"maps"`       // MapsNone, MapsFlagged or MapsAll
	MaxPixels int64   `json:"max_pixels"` // larger pictures are refused by their header
}

// Counts are numbers of items.
type Counts struct {
	Done    int `json:"done"`    // with a record, also one of a failure
	Failed  int `json:"failed"`  // that could not be read, and dead ones
	Dead    int `json:"dead"`    // given up, because workers died of them again and again
	Flagged int `json:"flagged"` // with more than 1 % of their pixels over the threshold
}

// Add adds the counts of other items.
func (c *Counts) Add(d Counts) {
	c.Done += d.Done
	c.Failed += d.Failed
	c.Dead += d.Dead
	c.Flagged += d.Flagged
}

// Job is a job as the queue and the store keep it.
type Job struct {
	V      int    `json:"v"`
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	State  State  `json:"state"`
	Items  int    `json:"items"`
	Source string `json:"source"` // the name of the source of the pictures
	Model  string `json:"model"`  // as the submitter named it
	Digest string `json:"digest"` // of the model: SHA-256, see localize.Digest
	// Class is that of the devices: queue.CPU or queue.GPU.
	Class    queue.Class    `json:"class"`
	Priority queue.Priority `json:"priority"`
	Options  Options        `json:"options"`
	// Webhook is the address to which the end of the job is reported; "" for none.
	Webhook string     `json:"webhook,omitempty"`
	Created time.Time  `json:"created"`
	Ended   *time.Time `json:"ended,omitempty"`
	// Counts are those of the merged results; nil before the results are merged.
	Counts *Counts `json:"counts,omitempty"`
	Error  string  `json:"error,omitempty"` // why the job failed
}

// Check implements the strict reading of jobs.
func (j *Job) Check() error {
	switch {
	case !slices.Contains(States, j.State):
		return invalid("job", "state %q", j.State)
	case j.Items < 0 || j.Items > MaxItems:
		return invalid("job", "%d items", j.Items)
	case !slices.Contains(Classes, j.Class):
		return invalid("job", "class %q: expected cpu or gpu", j.Class)
	case !slices.Contains(queue.Priorities, j.Priority):
		return invalid("job", "priority %q: expected urgent, normal or bulk", j.Priority)
	case j.Model == "":
		return invalid("job", "no model")
	}
	return cmp.Or(checkVersion("job", j.V), checkToken("job", j.ID), checkToken("tenant", j.Tenant),
		checkToken("source", j.Source), checkDigest("job's digest", j.Digest), j.Options.check())
}

func (o *Options) check() error {
	switch {
	case !(o.Threshold > 0 && o.Threshold < 1):
		return invalid("job", "threshold %g: expected a number between 0 and 1, both excluded", o.Threshold)
	case !slices.Contains(Maps, o.Maps):
		return invalid("job", "maps %q: expected %s", o.Maps, strings.Join(Maps, ", "))
	case o.MaxPixels < 1:
		return invalid("job", "max_pixels %d: expected at least 1", o.MaxPixels)
	}
	return nil
}

// Pool names the workers that can do the job: those that have its model, on devices of its class.
func (j *Job) Pool() (string, error) { return queue.PoolName(j.Digest, j.Class) }
