package train

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// Score is a network's result on a set of pictures: IoU, F1 and AP averaged over the manipulated
// pictures for which they are defined, and the share of untouched pictures that it flags.
type Score struct {
	Pictures    int     `json:"pictures"`
	Manipulated int     `json:"manipulated"`
	IoU         float64 `json:"iou"`     // percent
	F1          float64 `json:"f1"`      // at threshold 0.5, in [0,1]
	F1Best      float64 `json:"f1_best"` // in [0,1]
	AP          float64 `json:"ap"`      // in [0,1]
	// Detection says how well the pictures' mean probabilities separate manipulated from untouched
	// pictures; nil unless there are both.
	Detection *DetectionScore `json:"detection,omitempty"`
	Flagged   float64         `json:"flagged"` // share of untouched pictures with over 1 % flagged

	Methods map[string]MethodScore `json:"methods,omitempty"` // by kind of manipulation
}

// DetectionScore classifies pictures by the mean of their pixels' probabilities.
type DetectionScore struct {
	AP           float64 `json:"ap"`            // over pictures, in [0,1]
	Accuracy     float64 `json:"accuracy"`      // at threshold 0.5
	BestAccuracy float64 `json:"best_accuracy"` // at the best threshold
}

// MethodScore is the score on the pictures of one kind of manipulation.
type MethodScore struct {
	Pictures int     `json:"pictures"`
	IoU      float64 `json:"iou"`
	F1       float64 `json:"f1"`
	AP       float64 `json:"ap"`
}

// by is the value of the metric that selects the best checkpoint.
func (s Score) by(criterion string) float64 {
	switch criterion {
	case ByF1:
		return s.F1
	case ByAP:
		return s.AP
	case ByBalanced:
		return s.F1 + s.AP - s.Flagged
	}
	return s.IoU
}

// Predict gives the probability of manipulation for each pixel of a picture, row by row. It must be
// safe for concurrent use.
type Predict func(ctx context.Context, p *picture.Picture) ([]float32, error)

// ScoreOptions say which pictures are scored, and how.
type ScoreOptions struct {
	Limit   int // largest number of pictures, always the same ones of a source; 0 means all
	Workers int // pictures at a time; 0 means one
	Done    func(done, total int)
	// Look is called with each picture and its map, by its index among the scored ones; Bad is
	// called for each picture that cannot be read, which is then left out. Both must be safe for
	// concurrent use and may be nil; without Bad such a picture is an error.
	Look func(place int, s dataset.Sample, prob []float32)
	Bad  func(dataset.Skipped)
}

// PictureScore is the score of one picture.
type PictureScore struct {
	Name, Method string
	metric.Result
	Mean   float64 // of the pixels' probabilities
	Fake   bool    // the whole picture counts as manipulated
	Masked bool    // it has a mask: Result holds
	bad    bool    // could not be read
}

// Evaluate runs predict over the pictures of a source and scores the maps at full resolution, in
// the source's order. The result does not depend on the number of workers. A panic on the way
// becomes an error that names the picture.
func Evaluate(ctx context.Context, source dataset.Source, predict Predict, options ScoreOptions) ([]PictureScore, error) {
	source = dataset.Some(source, options.Limit)
	total := source.Len()
	results := make([]PictureScore, total)
	var mu sync.Mutex
	done := 0
	err := parallel.For(ctx, total, max(1, options.Workers), func(ctx context.Context, i int) (err error) {
		if results[i], err = loadAndScore(ctx, source, i, predict, options); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		if options.Done != nil {
			options.Done(done, total)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(results, func(r PictureScore) bool { return r.bad }), nil
}

func loadAndScore(ctx context.Context, source dataset.Source, i int, predict Predict, o ScoreOptions) (r PictureScore, err error) {
	sample, err := dataset.Load(ctx, source, i)
	if ctx.Err() != nil {
		return PictureScore{}, context.Cause(ctx)
	}
	if err != nil && o.Bad != nil {
		o.Bad(dataset.Skipped{Name: dataset.NameOf(source, i), Err: err})
		return PictureScore{bad: true}, nil
	}
	if err != nil {
		return PictureScore{}, &loadError{err}
	}
	err = parallel.Catch(func() (err error) {
		parallel.Point("validate")
		r, err = score(ctx, sample, predict, func(prob []float32) {
			if o.Look != nil {
				o.Look(i, sample, prob)
			}
		})
		return err
	})
	if err != nil {
		return r, fmt.Errorf("%s: %w", sample.Name, err)
	}
	return r, nil
}

// score scores the map of one picture, which look is shown, too.
func score(ctx context.Context, sample dataset.Sample, predict Predict, look func(prob []float32)) (PictureScore, error) {
	r := PictureScore{Name: sample.Name, Method: sample.Method}
	prob, err := predict(ctx, sample.Picture)
	if err != nil {
		return r, err
	}
	look(prob)
	for _, v := range prob {
		r.Mean += float64(v) / float64(len(prob))
	}
	mask := sample.Mask
	r.Fake, r.Masked = sample.Manipulated(), mask != nil
	if r.Masked {
		r.Result, err = metric.Evaluate(prob, metric.Truth(mask.Pix), mask.Width, mask.Height, metric.DefaultThreshold)
	}
	return r, err
}

// Summarize averages the scores of pictures.
func Summarize(results []PictureScore) Score {
	var all metric.Summary
	methods, counts := map[string]*metric.Summary{}, map[string]int{}
	s := Score{Pictures: len(results), Methods: map[string]MethodScore{}}
	var detection metric.Detection
	fakes := 0
	for _, r := range results {
		detection.Add(r.Mean, r.Fake)
		if r.Fake {
			fakes++
		}
		if !r.Masked {
			continue
		}
		all.Add(r.Result)
		if r.Manipulated == 0 {
			continue
		}
		s.Manipulated++
		if r.Method == "" {
			continue
		}
		if methods[r.Method] == nil {
			methods[r.Method] = &metric.Summary{}
		}
		methods[r.Method].Add(r.Result)
		counts[r.Method]++
	}
	s.IoU, s.F1, s.F1Best, s.AP = value(all.IoU), value(all.F1Fixed), value(all.F1Best), value(all.AP)
	s.Flagged = all.Untouched.Share(metric.DefaultThreshold)
	if fakes > 0 && fakes < len(results) {
		best, _ := detection.BestAccuracy()
		s.Detection = &DetectionScore{detection.AP(), detection.Accuracy(metric.DefaultThreshold), best}
	}
	for name, m := range methods {
		s.Methods[name] = MethodScore{Pictures: counts[name], IoU: value(m.IoU), F1: value(m.F1Fixed), AP: value(m.AP)}
	}
	return s
}

// value is a mean; 0 if there is nothing to average.
func value(m metric.Mean) float64 {
	v, _ := m.Mean()
	return v
}
