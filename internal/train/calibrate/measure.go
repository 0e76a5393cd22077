package calibrate

import (
	"context"
	"fmt"
	"sync"

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

// measured is a network's result at each of some thresholds.
type measured struct {
	thresholds  []float64
	manipulated int
	f1          []float64                // [threshold], mean over the manipulated pictures
	flags       metric.Flags             // of the untouched pictures
	groups      map[string]*metric.Flags // of the untouched pictures in each group
}

// pictureScore is the result for one picture and one shift: at most about a kilobyte.
type pictureScore struct {
	f1        []float64 // [threshold]; nil for an untouched picture
	flagScore float64   // of an untouched picture
}

// measure runs a model over all pictures once, with each of the shifts, and gives the result of
// each shift at the thresholds. It does not depend on the number of workers.
func measure(ctx context.Context, o Options, predict Predict, pass int, shifts, thresholds []float64) ([]*measured, error) {
	scores, err := scoreAll(ctx, o, pass, func(ctx context.Context, p Picture) ([]pictureScore, error) {
		return score(ctx, p, predict, shifts, thresholds)
	})
	if err != nil {
		return nil, err
	}
	list := make([]*measured, len(shifts))
	for i := range list {
		if list[i], err = sum(o.Pictures, scores, i, thresholds); err != nil {
			return nil, err
		}
	}
	return list, nil
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

// score gives the scores of a picture for each of the shifts.
func score(ctx context.Context, p Picture, predict Predict, shifts, thresholds []float64) ([]pictureScore, error) {
	sample, err := p.Load()
	if err != nil {
		return nil, err // names the file
	}
	list := make([]pictureScore, len(shifts))
	err = predict(ctx, sample.Picture.RGB, shifts, func(i int, prob []float32) (err error) {
		if !sample.Manipulated() {
			list[i].flagScore = metric.FlagScore(prob)
			return nil
		}
		mask := sample.Mask
		list[i].f1, err = metric.F1At(prob, metric.Truth(mask.Pix), mask.Width, mask.Height, thresholds)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return list, nil
}

// sum is the result of the shift of index i.
func sum(pictures []Picture, scores [][]pictureScore, i int, thresholds []float64) (*measured, error) {
	m := &measured{thresholds: thresholds, f1: make([]float64, len(thresholds)), groups: map[string]*metric.Flags{}}
	for k, shifts := range scores {
		s := shifts[i]
		if s.f1 == nil {
			m.addUntouched(pictures[k].Group, s.flagScore)
			continue
		}
		m.manipulated++
		for k, v := range s.f1 {
			m.f1[k] += v
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

// addUntouched adds an untouched picture of a group.
func (m *measured) addUntouched(group string, flagScore float64) {
	m.flags.Add(flagScore)
	if group == "" {
		return
	}
	if m.groups[group] == nil {
		m.groups[group] = &metric.Flags{}
	}
	m.groups[group].Add(flagScore)
}

// at is the network's result if 0.5 were the threshold of index i.
func (m *measured) at(i int) Point {
	p := Point{F1: m.f1[i], Flagged: m.flags.Share(m.thresholds[i])}
	p.MostFlagged = p.Flagged
	for _, flags := range m.groups {
		p.MostFlagged = max(p.MostFlagged, flags.Share(m.thresholds[i]))
	}
	return p
}

// best is the index of the threshold with the best F1 among those that flag at most the given share
// of the untouched pictures of every group; the lowest of equally good ones.
func (m *measured) best(maxFlagged float64) (int, error) {
	best := -1
	for i, f1 := range m.f1 {
		if m.at(i).MostFlagged <= maxFlagged && (best < 0 || f1 > m.f1[best]) {
			best = i
		}
	}
	if best < 0 {
		last := len(m.thresholds) - 1
		return 0, fmt.Errorf("%w: at %.5f still %.1f %%, expected at most %.1f %%",
			ErrNoThreshold, m.thresholds[last], 100*m.at(last).MostFlagged, 100*maxFlagged)
	}
	return best, nil
}
