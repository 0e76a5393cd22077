package evaluate

import (
	"context"
	"fmt"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/dataset"
)

// Visit is a map as it was scored.
type Visit struct {
	Index  int            // of the picture, in the source's order
	Run    int            // of the run, in the order of Run's result
	Sample dataset.Sample // from the source
	Prob   []float32      // at the mask's size; valid during the call only
	Scores Picture
}

// Scored is the scores of one model over all pictures, in the source's order.
type Scored struct {
	Model        string    `json:"model"`
	Perturbation string    `json:"perturbation,omitempty"` // see Perturbation.String; "" for none
	Pictures     []Picture `json:"pictures"`
}

// maxBatchPixels caps a batch regardless of Options.Batch, because the maps take several times the
// memory of the pictures.
const maxBatchPixels = 24_000_000

// Run predicts and scores all pictures of the source: first a run for each model on the pictures as
// they are, then for each perturbation one for each model. A picture that cannot be read or
// predicted, or on which the work panics, has its error instead of scores. Run's own error is that
// an option is invalid or that ctx ended. Results do not depend on the number of workers, and the
// contents of a batch depend on the source alone.
func Run(ctx context.Context, source dataset.Source, p Predictor, o Options) ([]Scored, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &run{source: source, predictor: p, options: o, models: p.Models()}
	r.conditions = append([]Perturbation{{}}, o.Perturb...)
	for _, c := range r.conditions {
		for _, m := range r.models {
			r.scored = append(r.scored, Scored{Model: m, Perturbation: c.String(), Pictures: make([]Picture, source.Len())})
		}
	}
	group, inner := parallel.WithContext(ctx)
	group.SetLimit(o.Workers)
	for first := 0; first < source.Len() && inner.Err() == nil; first += o.Batch {
		group.Go(func() error { return r.chunk(inner, first, min(first+o.Batch, source.Len())) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // between two chunks
		return nil, context.Cause(ctx)
	}
	return r.scored, nil
}

// run is a call of Run.
type run struct {
	source     dataset.Source
	predictor  Predictor
	options    Options
	models     []string
	conditions []Perturbation
	scored     []Scored

	mu   sync.Mutex
	done int
}

// loaded is a picture that the models are to see.
type loaded struct {
	index  int
	sample dataset.Sample
}

// chunk scores the pictures [from, to), in one batch unless they are too large for that.
func (r *run) chunk(ctx context.Context, from, to int) error {
	var batch []loaded
	pixels := 0
	flush := func() error {
		err := r.batch(ctx, batch)
		batch, pixels = nil, 0
		return err
	}
	for i := from; i < to; i++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s, err := dataset.Load(ctx, r.source, i)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.fail(i, s, err)
			continue
		}
		n := 0
		if s.Picture != nil {
			n = s.Picture.Width * s.Picture.Height
		}
		if len(batch) > 0 && pixels+n > maxBatchPixels {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, pixels = append(batch, loaded{i, s}), pixels+n
	}
	return flush()
}

// fail records why a picture has no scores at all.
func (r *run) fail(index int, s dataset.Sample, err error) {
	for k := range r.scored {
		r.scored[k].Pictures[index] = r.named(index, s, err)
	}
	r.finished(1)
}

// named is a picture without scores, and why it has none.
func (r *run) named(index int, s dataset.Sample, err error) Picture {
	p := Picture{Name: s.Path, Method: s.Method, Err: err}
	if p.Name == "" {
		p.Name = s.Name
	}
	if p.Name == "" {
		p.Name = dataset.PathOf(r.source, index)
	}
	if s.Picture != nil {
		p.Width, p.Height = s.Picture.Width, s.Picture.Height
	}
	p.Manipulated = s.Manipulated()
	return p
}

// batch scores a batch under every condition.
func (r *run) batch(ctx context.Context, batch []loaded) error {
	if len(batch) == 0 {
		return nil
	}
	for c, condition := range r.conditions {
		var samples []dataset.Sample
		var perturbed []loaded
		for _, l := range batch {
			s, err := r.perturb(l, condition)
			if err != nil {
				err = fmt.Errorf("%s: %s: %w", l.sample.Name, condition, err)
				for m := range r.models {
					r.scored[c*len(r.models)+m].Pictures[l.index] = r.named(l.index, l.sample, err)
				}
				continue
			}
			samples, perturbed = append(samples, s), append(perturbed, l)
		}
		predictions, err := r.predict(ctx, samples)
		if err != nil {
			return err
		}
		for i, l := range perturbed {
			for m := range r.models {
				k := c*len(r.models) + m
				r.scored[k].Pictures[l.index] = r.score(k, l, predictions[i][m])
			}
		}
	}
	r.finished(len(batch))
	return nil
}

// perturb is a picture under a condition. A panic becomes an error.
func (r *run) perturb(l loaded, condition Perturbation) (s dataset.Sample, err error) {
	defer parallel.Recover(&err)
	s = l.sample
	if condition.Kind != "" {
		s.Picture, err = condition.Apply(l.sample.Picture, r.options.Seed, uint64(l.index))
	}
	return s, err
}

// predict asks for a batch and, if that fails or panics, for one picture after the other. Its error
// is that ctx ended.
func (r *run) predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	if len(samples) == 0 {
		return nil, nil
	}
	var predictions [][]Prediction
	err := parallel.Catch(func() (err error) {
		parallel.Point("predict")
		predictions, err = r.predictor.Predict(ctx, samples)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil:
		return predictions, nil
	case len(samples) == 1:
		failed := make([]Prediction, len(r.models))
		for i := range failed {
			failed[i].Err = err
		}
		return [][]Prediction{failed}, nil
	}
	predictions = nil
	for i := range samples {
		one, err := r.predict(ctx, samples[i:i+1])
		if err != nil {
			return nil, err
		}
		predictions = append(predictions, one...)
	}
	return predictions, nil
}

// score resizes a prediction to the mask's size and scores it.
func (r *run) score(k int, l loaded, p Prediction) Picture {
	s := r.named(l.index, l.sample, nil)
	s.Err = parallel.Catch(func() error { return r.measure(k, l, p, &s) })
	if s.Err != nil {
		s.Err = fmt.Errorf("%s: %w", s.Name, s.Err)
	}
	return s
}

// measure fills in the scores of s.
func (r *run) measure(k int, l loaded, p Prediction, s *Picture) error {
	if p.Err != nil {
		return p.Err
	}
	prob, err := s.Score(p, l.sample.Mask, r.options.Threshold)
	if err != nil {
		return err
	}
	if r.options.Visit != nil {
		r.options.Visit(Visit{Index: l.index, Run: k, Sample: l.sample, Prob: prob, Scores: *s})
	}
	return nil
}

// finished counts finished pictures.
func (r *run) finished(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += n
	if r.options.Done != nil {
		r.options.Done(r.done, r.source.Len())
	}
}
