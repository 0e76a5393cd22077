package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/declip/declip/internal/jobs/schema"
)

// Work is what is done with pictures. It is used by one goroutine for each slot.
type Work interface {
	// Do works on pictures of a job, in their order, and calls emit for each as soon as it has its
	// outcome, in the same order. A picture that fails has an outcome, too. An error of Do or emit
	// ends the batch, which is then worked on again.
	Do(ctx context.Context, job *schema.Job, pictures []Picture, emit func(Outcome) error) error
}

// Picture is a picture to work on.
type Picture struct {
	// Name is how the user names it.
	Name string
	// Data waits for the picture's file. The error is one of reading it; see Failed.
	Data func(ctx context.Context) ([]byte, error)
}

// Outcome is what became of a picture.
type Outcome struct {
	// Picture is the JSON object of the result (localize.Record); nil if Failure is set.
	Picture json.RawMessage
	Failure *schema.Failure
	// Flagged: more than 1 % of the pixels are over the threshold.
	Flagged bool
	// Maps are files to store, by the ends of their names, such as "prob.png".
	Maps []Map
	// Elapsed is the time spent on the picture, without waiting.
	Elapsed time.Duration
}

// Map is a file that belongs to a picture's result.
type Map struct {
	Name string
	Data []byte
}
