// Package evaluate measures models on pictures whose truth is known: it takes pictures through anything that
// predicts maps, as they are and perturbed, scores the maps at full resolution, and sums the scores up with
// confidence intervals.
//
//	runs, err := evaluate.Run(ctx, source, predictor, evaluate.Options{Batch: 8})
//	for _, run := range runs {
//		summary := evaluate.Summarize(run.Pictures, evaluate.SummaryOptions{Bootstrap: 1000})
//	}
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// Predictor gives maps for pictures. It must be safe for concurrent use.
type Predictor interface {
	// Models names those who answer. Several may share one pass over a picture.
	Models() []string
	// Predict gives for each sample each model's prediction, in the order of Models. Its own error goes for
	// all samples; where there are several, they are then tried one by one.
	Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error)
}

// Prediction is one model's map of one picture, of any size, or why there is none.
type Prediction struct {
	Map picture.Map // probabilities in [0,1]
	Err error
}

// PredictFunc is a Predictor of one model that takes picture by picture and gives probabilities at the
// picture's size.
type PredictFunc struct {
	Name string
	Func func(ctx context.Context, p *picture.RGB) ([]float32, error)
}

// Models implements Predictor.
func (f PredictFunc) Models() []string { return []string{f.Name} }

// Predict implements Predictor.
func (f PredictFunc) Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	all := make([][]Prediction, len(samples))
	for i, s := range samples {
		prob, err := f.Func(ctx, s.Picture)
		m := picture.Map{Prob: prob, Width: s.Picture.Width, Height: s.Picture.Height}
		all[i] = []Prediction{{Map: m, Err: err}}
	}
	return all, nil
}

// Options of Run. The zero value is the usual way.
type Options struct {
	Threshold float64 // over which a pixel counts as manipulated; 0 means metric.DefaultThreshold
	Batch     int     // pictures predicted together; 0 means 1
	Workers   int     // batches under way at a time; 0 means as many as the process may use cores
	// Perturb adds runs on perturbed pictures, one for each, to the run on the pictures as they are.
	Perturb []Perturbation
	Seed    uint64 // of the perturbations' random choices
	// Done, if set, hears how many pictures are finished, one call at a time.
	Done func(done, total int)
	// Visit, if set, sees every map that was scored. It is called from several goroutines at once.
	Visit func(Visit)
}

// Visit is a map as it was scored.
type Visit struct {
	Index  int            // of the picture, in the source's order
	Run    int            // of the run, in the order of Run's answer
	Sample dataset.Sample // as the source gave it
	Prob   []float32      // at the mask's size; valid during the call only
	Scores Picture
}

// Scored is the scores of one model over all pictures, in the source's order.
type Scored struct {
	Model        string    `json:"model"`
	Perturbation string    `json:"perturbation,omitempty"` // as Perturbation.String; "" for pictures as they are
	Pictures     []Picture `json:"pictures"`
}

// maxBatchPixels is so much of pictures that a batch is not made larger, whatever it was asked for: their maps
// take several times the room.
const maxBatchPixels = 24_000_000

// Run predicts and scores all pictures of the source: first a run for each model on the pictures as they are,
// then for each perturbation one for each model. A picture that can't be read or predicted has its error in
// its place; Run's own error is that the work was called off. Results don't depend on the number of workers, and
// what is in a batch follows from the source alone.
func Run(ctx context.Context, source dataset.Source, p Predictor, o Options) ([]Scored, error) {
	if o.Threshold == 0 {
		o.Threshold = metric.DefaultThreshold
	}
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Batch = max(1, o.Batch)
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

// loaded is a picture on its way through the models.
type loaded struct {
	index  int
	sample dataset.Sample
}

// chunk takes the pictures [from, to) through, in one batch unless they are too large for that.
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

// fail notes that a picture has no scores at all.
func (r *run) fail(index int, s dataset.Sample, err error) {
	for k := range r.scored {
		r.scored[k].Pictures[index] = r.named(index, s, err)
	}
	r.finished(1)
}

// named is a picture without scores.
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
		samples := make([]dataset.Sample, len(batch))
		for i, l := range batch {
			samples[i] = l.sample
			if c > 0 {
				var err error
				if samples[i].Picture, err = condition.Apply(l.sample.Picture, r.options.Seed, uint64(l.index)); err != nil {
					return fmt.Errorf("%s: %s: %w", l.sample.Name, condition, err)
				}
			}
		}
		predictions, err := r.predict(ctx, samples)
		if err != nil {
			return err
		}
		for i, l := range batch {
			for m := range r.models {
				k := c*len(r.models) + m
				r.scored[k].Pictures[l.index] = r.score(k, l, predictions[i][m])
			}
		}
	}
	r.finished(len(batch))
	return nil
}

// predict asks for a batch and, if that fails, for one after the other. Its error is that the work was called off.
func (r *run) predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	predictions, err := r.predictor.Predict(ctx, samples)
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

// score brings a prediction to the mask's size and scores it.
func (r *run) score(k int, l loaded, p Prediction) Picture {
	s := r.named(l.index, l.sample, nil)
	if s.Err = p.Err; s.Err == nil {
		w, h := s.Width, s.Height
		if mask := l.sample.Mask; mask != nil {
			w, h = mask.Width, mask.Height
		}
		var prob []float32
		if prob, s.Err = fit(p.Map, w, h); s.Err == nil {
			s.Scores, s.Err = scores(prob, l.sample.Mask, r.options.Threshold)
			s.Masked = l.sample.Mask != nil
		}
		if s.Err == nil && r.options.Visit != nil {
			r.options.Visit(Visit{Index: l.index, Run: k, Sample: l.sample, Prob: prob, Scores: s})
		}
	}
	if s.Err != nil {
		s.Err = fmt.Errorf("%s: %w", s.Name, s.Err)
	}
	return s
}

func scores(prob []float32, mask *picture.Gray, threshold float64) (metric.Result, error) {
	if mask == nil {
		return metric.Measure(prob, threshold)
	}
	return metric.Evaluate(prob, metric.Truth(mask.Pix), mask.Width, mask.Height, threshold)
}

// fit brings a map to w x h pixels, bilinearly.
func fit(m picture.Map, w, h int) ([]float32, error) {
	switch {
	case m.Width < 1 || m.Height < 1 || len(m.Prob) != m.Width*m.Height:
		return nil, fmt.Errorf("map of %d x %d with %d probabilities", m.Width, m.Height, len(m.Prob))
	case w < 1 || h < 1:
		return nil, errors.New("neither a picture nor a mask to say the size")
	case m.Width == w && m.Height == h:
		return m.Prob, nil
	}
	return picture.FitFloat(m.Prob, m.Width, m.Height, w, h), nil
}

func (r *run) finished(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += n
	if r.options.Done != nil {
		r.options.Done(r.done, r.source.Len())
	}
}
