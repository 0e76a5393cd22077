package jobstest

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
)

// Work replaces a model.
type Work struct {
	// Item is how long a picture takes.
	Item time.Duration
	// Unread leaves the pictures' files unread.
	Unread bool
	// Kill is called for pictures whose names contain "poison"; nil: the process ends.
	Kill func()
	// Seen is called for each picture that is begun; may be nil.
	Seen func(job *schema.Job, name string)
}

// result is what Work gives for a picture, with some of the fields of a record.
type result struct {
	Image     string  `json:"image"`
	Model     string  `json:"model"`
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// Do implements worker.Work: pictures whose names contain "bad" fail, those with "flag" are
// flagged, and those with "poison" kill.
func (w *Work) Do(ctx context.Context, job *schema.Job, pictures []worker.Picture, emit func(worker.Outcome) error) error {
	for _, p := range pictures {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if w.Seen != nil {
			w.Seen(job, p.Name)
		}
		if err := w.one(ctx, job, p, emit); err != nil {
			return err
		}
	}
	return nil
}

func (w *Work) one(ctx context.Context, job *schema.Job, p worker.Picture, emit func(worker.Outcome) error) error {
	if !w.Unread {
		if _, err := p.Data(ctx); err != nil {
			return emit(worker.Outcome{Failure: worker.AsFailure(err, schema.CodePicture)})
		}
	}
	if strings.Contains(p.Name, "poison") {
		if w.Kill == nil {
			os.Exit(137)
		}
		w.Kill()
	}
	if w.Item > 0 {
		if err := parallel.Sleep(ctx, w.Item); err != nil {
			return err
		}
	}
	if strings.Contains(p.Name, "bad") {
		return emit(worker.Outcome{Failure: &schema.Failure{Code: schema.CodePicture, Message: p.Name + ": bad"}})
	}
	record, err := json.Marshal(result{p.Name, job.Model, float64(len(p.Name)%10) / 10, job.Options.Threshold})
	if err != nil {
		return err
	}
	return emit(worker.Outcome{Picture: record, Flagged: strings.Contains(p.Name, "flag"), Elapsed: w.Item})
}
