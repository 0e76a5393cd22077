package calibrate

import (
	"context"
	"fmt"
	"sync"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/parallel"
)

// The thresholds tried, as logits: steps of an eighth between probabilities of 0.00005 and 0.99995.
// The middle one is 0.5.
const (
	steps  = 8
	reach  = 10
	middle = reach * steps
)

var logits, thresholds = grid()

func grid() (logits, thresholds []float64) {
	for i := range 2*middle + 1 {
		x := float64(i-middle) / steps
		logits, thresholds = append(logits, x), append(thresholds, numeric.Sigmoid(x))
	}
	return logits, thresholds
}

// measured is a network's result at each threshold of the grid.
type measured struct {
	manipulated int
	f1          []float64    // [threshold], mean over the manipulated pictures
	flags       metric.Flags // of the untouched pictures
}

// pictureScore is the result for one picture: about a kilobyte.
type pictureScore struct {
	f1        []float64 // [threshold]; nil for a untouched picture
	flagScore float64   // of a untouched picture
}

// measure runs a model over all pictures once. The result does not depend on the number of workers.
func measure(ctx context.Context, o Options, predict Predict, pass int) (*measured, error) {
	scores, err := scoreAll(ctx, o, pass, func(ctx context.Context, p Picture) (pictureScore, error) {
		return score(ctx, p, predict)
	})
	if err != nil {
		return nil, err
	}
	return sum(scores)
}

// scoreAll computes a score for every picture, in their order. A panic is an error that names the
// picture.
func scoreAll[T any](ctx context.Context, o Options, pass int, score func(context.Context, Picture) (T, error)) ([]T, error) {
	scores := make([]T, len(o.Pictures))
	var mu sync.Mutex
	done := 0
	err := parallel.For(ctx, len(o.Pictures), max(1, o.Workers), func(ctx context.Context, i int) error {
		p := o.Pictures[i]
		err := parallel.Catch(func() (err error) {
			parallel.Point("validate")
			scores[i], err = score(ctx, p)
			return err
		})
		if parallel.Stack(err) != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		if o.Done != nil {
			o.Done(pass, done)
		}
		return nil
	})
	return scores, err
}

func score(ctx context.Context, p Picture, predict Predict) (pictureScore, error) {
	sample, err := p.Load()
	if err != nil {
		return pictureScore{}, err // names the file
	}
	var s pictureScore
	err = predict(ctx, sample.Picture.RGB, []float64{0}, func(_ int, prob []float32) (err error) {
		if !sample.Manipulated() {
			s.flagScore = metric.FlagScore(prob)
			return nil
		}
		s.f1, err = f1At(sample, prob, thresholds)
		return err
	})
	if err != nil {
		return pictureScore{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	return s, nil
}

func f1At(s dataset.Sample, prob []float32, thresholds []float64) ([]float64, error) {
	return metric.F1At(prob, metric.Truth(s.Mask.Pix), s.Mask.Width, s.Mask.Height, thresholds)
}

func sum(scores []pictureScore) (*measured, error) {
	m := &measured{f1: make([]float64, len(thresholds))}
	for _, s := range scores {
		if s.f1 == nil {
			m.flags.Add(s.flagScore)
			continue
		}
		m.manipulated++
		for i, v := range s.f1 {
			m.f1[i] += v
		}
	}
	if m.manipulated == 0 {
		return nil, fmt.Errorf("none of the %d pictures is manipulated: there is nothing to detect", len(scores))
	}
	for i := range m.f1 {
		m.f1[i] /= float64(m.manipulated)
	}
	return m, nil
}

// at is the network's result if 0.5 were the threshold of index i.
func (m *measured) at(i int) Point {
	return Point{F1: m.f1[i], Flagged: m.flags.Share(thresholds[i])}
}

// best is the index of the threshold with the best F1 among those that flag at most the given share
// of the untouched pictures; the lowest of equally good ones.
func (m *measured) best(maxFlagged float64) (int, error) {
	best := -1
	for i, f1 := range m.f1 {
		if m.flags.Share(thresholds[i]) <= maxFlagged && (best < 0 || f1 > m.f1[best]) {
			best = i
		}
	}
	if best < 0 {
		last := len(thresholds) - 1
		return 0, fmt.Errorf("%w: at %.5f still %.1f %%, expected at most %.1f %%",
			ErrNoThreshold, thresholds[last], 100*m.flags.Share(thresholds[last]), 100*maxFlagged)
	}
	return best, nil
}
