package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// DefaultMaxBytes is the largest file of a picture that is read by default, in bytes.
const DefaultMaxBytes = 256 << 20

// Config says what a worker does.
type Config struct {
	// ID names the worker: letters, digits, - and _.
	ID     string
	Engine queue.Engine
	// Tenant is whose jobs the worker works on, as far as its credentials permit; "" for all.
	Tenant string
	// Store holds manifests and results.
	Store store.Store
	// Sources hold the pictures, by the names that jobs use.
	Sources map[string]store.Store
	// Work has what the worker can do, by pool.
	Work map[string]Work
	// Slots is how many batches are worked on at the same time.
	Slots int
	// MaxBytes bounds a picture's file.
	MaxBytes int64
	// Version of the program, for people.
	Version string
	Log     *slog.Logger
	// Observer, if set, is called when something happens, for metrics.
	Observer Observer
}

// Observer counts what a worker does.
type Observer interface {
	// Batch: a batch is finished.
	Batch(pool string, f *schema.Finished)
	// Failed: a batch failed, which is tried again.
	Failed(pool string)
	// Step: a step of the handling of a batch, besides its work, took some time.
	Step(pool string, s Step, took time.Duration)
	// Redelivered: a batch was delivered before.
	Redelivered(pool string)
	// Split: a batch was cut into single pictures.
	Split(pool string)
	// Dead: a picture was given up.
	Dead(pool string)
}

// Step is a part of what is done about a batch besides the work on its pictures. While the steps of
// a batch are done, its slot works on another one, if there is one.
type Step string

// The steps.
const (
	StepPrepare Step = "prepare" // reads the job and the names of the pictures
	StepMaps    Step = "maps"    // waits until the maps are stored
	StepPart    Step = "part"    // stores the records
	StepEvent   Step = "event"   // puts in the event that the batch is finished
	StepAck     Step = "ack"     // removes the batch from the queue
)

// Steps lists the steps in their order.
var Steps = []Step{StepPrepare, StepMaps, StepPart, StepEvent, StepAck}

// Validate returns an error that says what is wrong.
func (c *Config) Validate() error {
	switch {
	case queue.CheckToken(c.ID) != nil:
		return fmt.Errorf("worker: %w", queue.CheckToken(c.ID))
	case c.Tenant != "" && queue.CheckToken(c.Tenant) != nil:
		return fmt.Errorf("worker: tenant: %w", queue.CheckToken(c.Tenant))
	case c.Engine == nil || c.Store == nil || c.Log == nil:
		return errors.New("worker: expected a queue, a store and a log")
	case len(c.Work) == 0:
		return errors.New("worker: expected at least one model")
	case c.Slots < 1:
		return fmt.Errorf("worker: %d slots, expected at least 1", c.Slots)
	case c.MaxBytes < 1:
		return fmt.Errorf("worker: pictures of at most %d bytes, expected at least 1", c.MaxBytes)
	}
	return nil
}

// pools lists the pools that the worker takes batches of.
func (c *Config) pools() []string { return slices.Sorted(maps.Keys(c.Work)) }
