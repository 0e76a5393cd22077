package cli

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// probMap is the name of the map of probabilities that jobs store.
const probMap = "prob.png"

// localizeWork is what a worker does with a job's pictures: the same as "declip localize", by the
// same pipeline.
type localizeWork struct {
	model *localize.Model
	batch int // pictures that go through the network together
}

// judged is the result of a picture of a job.
type judged struct {
	result  *localize.Result
	flagged bool
	maps    []worker.Map
}

// Do implements worker.Work.
func (w *localizeWork) Do(ctx context.Context, job *schema.Job, pictures []worker.Picture, emit func(worker.Outcome) error) error {
	inputs := make([]input, len(pictures))
	for i, p := range pictures {
		inputs[i] = input{path: p.Name, file: p.Data}
	}
	line := pipeline[*judged]{
		limits: picture.Limits{MaxPixels: job.Options.MaxPixels, Coefficients: w.model.ReadsCoefficients()}, batch: w.batch, bar: &progress{},
		process: func(ctx context.Context, list []*picture.Picture) ([]*judged, error) {
			return w.judge(ctx, job.Options.Threshold, list)
		},
		write: func(p *work[*judged]) error { return drawMaps(p.result, job.Options.Maps) },
		report: func(p *work[*judged]) error {
			o, err := outcome(ctx, p)
			if err != nil {
				return err
			}
			return emit(o)
		},
	}
	_, err := line.run(ctx, inputs)
	return err
}

// judge runs the model on pictures.
func (w *localizeWork) judge(ctx context.Context, threshold float64, list []*picture.Picture) ([]*judged, error) {
	results, err := w.model.LocalizeBatch(ctx, list)
	if err != nil {
		return nil, err
	}
	all := make([]*judged, len(results))
	for i, r := range results {
		if r, err = r.WithThreshold(threshold); err != nil {
			return nil, err
		}
		all[i] = &judged{result: r, flagged: r.Flagged()}
	}
	return all, nil
}

// drawMaps encodes the maps that are to be stored, as "declip localize" writes them.
func drawMaps(j *judged, which string) error {
	if which == schema.MapsNone || which == schema.MapsFlagged && !j.flagged {
		return nil
	}
	file, err := picture.EncodePNG(j.result.Gray(), picture.Fast)
	j.maps = []worker.Map{{Name: probMap, Data: file}}
	return err
}

// outcome is what became of a picture. The error is one that ends the batch.
func outcome(ctx context.Context, p *work[*judged]) (worker.Outcome, error) {
	o := worker.Outcome{Elapsed: p.elapsed}
	switch {
	case p.err == nil:
		record, err := json.Marshal(localize.NewRecord(p.input.path, p.result.result))
		o.Picture, o.Flagged, o.Maps = record, p.result.flagged, p.result.maps
		return o, err
	case ctx.Err() != nil:
		return o, context.Cause(ctx)
	case errors.Is(p.err, store.ErrUnavailable):
		return o, p.err
	case errors.Is(p.err, localize.ErrTooLarge):
		o.Failure = worker.AsFailure(p.err, schema.CodeLarge)
	case p.decoded == nil:
		o.Failure = worker.AsFailure(p.err, schema.CodePicture)
	default:
		o.Failure = worker.AsFailure(p.err, schema.CodeInternal)
	}
	return o, nil
}
