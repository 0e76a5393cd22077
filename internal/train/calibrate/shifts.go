package calibrate

import (
	"context"
	"fmt"
	"math"

	"github.com/declip/declip/internal/metric"
)

// Shifts of a network that runs over tiles, in logits: all that are at most shiftReach from the
// last one are tried in one pass, in steps of shiftStep.
const (
	shiftStep   = 0.25
	shiftReach  = 1.5
	shiftPasses = 4 // passes at most
)

// chooseByShifts continues from the shift that choose found in the network's maps alone. Which
// regions stay changes with the shift in ways that no threshold on the maps of one shift predicts,
// and findings of detectors do not move with it. So the maps of each shift are measured, around the
// best one until that has worse ones on both sides, or the passes are used up.
func (r *Result) chooseByShifts(ctx context.Context, folder string, o Options) error {
	var by []float64
	for i := -int(shiftReach / shiftStep); i <= int(shiftReach/shiftStep); i++ {
		by = append(by, float64(i)*shiftStep)
	}
	for range shiftPasses {
		points, err := r.measureShifts(ctx, folder, o, by)
		if err != nil {
			return err
		}
		best := bestPoint(points, by, o.MaxFlagged)
		r.After = points[best]
		if err := r.shift(by[best]); err != nil {
			return err
		}
		if best > 0 && best < len(by)-1 {
			break
		}
	}
	if r.After.Flagged > o.MaxFlagged {
		return fmt.Errorf("with findings and regions, the network flags %.2f %% of the untouched pictures at the best shift, expected at most %.2f %%",
			100*r.After.Flagged, 100*o.MaxFlagged)
	}
	return nil
}

// bestPoint is the index of the best point: of equally good ones that flag few enough pictures the
// one nearest to a shift of 0, of others the lowest, below which fewer may be flagged.
func bestPoint(points []Point, by []float64, maxFlagged float64) int {
	best := 0
	for i, p := range points {
		if p.better(points[best], maxFlagged) ||
			p == points[best] && p.Flagged <= maxFlagged && math.Abs(by[i]) < math.Abs(by[best]) {
			best = i
		}
	}
	return best
}

// measureShifts writes the current network to the directory and runs it over all pictures, with
// each of the shifts.
func (r *Result) measureShifts(ctx context.Context, folder string, o Options, by []float64) ([]Point, error) {
	predict, done, err := r.openCurrent(folder, o)
	if err != nil {
		return nil, err
	}
	defer done()
	type marks struct {
		manipulated bool
		f1          []float64 // [shift], of a manipulated picture
		flagScores  []float64 // [shift], of an untouched one
	}
	all, err := scoreAll(ctx, o, r.nextPass(), func(ctx context.Context, p Picture) (m marks, err error) {
		sample, err := p.Load()
		if err != nil {
			return m, err // names the file
		}
		m.manipulated = sample.Manipulated()
		err = predict(ctx, sample.Picture.RGB, by, func(_ int, prob []float32) error {
			if !m.manipulated {
				m.flagScores = append(m.flagScores, metric.FlagScore(prob))
				return nil
			}
			f1, err := f1At(sample, prob, thresholds[middle:middle+1])
			m.f1 = append(m.f1, f1...)
			return err
		})
		if err != nil {
			return m, fmt.Errorf("%s: %w", p.Name, err)
		}
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	points := make([]Point, len(by))
	for i := range by {
		var flags metric.Flags
		for _, m := range all {
			if m.manipulated {
				points[i].F1 += m.f1[i] / float64(r.Manipulated)
			} else {
				flags.Add(m.flagScores[i])
			}
		}
		points[i].Flagged = flags.Share(thresholds[middle])
	}
	return points, nil
}

// better says whether p is preferable to q: first flagging few enough pictures, then F1.
func (p Point) better(q Point, maxFlagged float64) bool {
	if few := p.Flagged <= maxFlagged; few != (q.Flagged <= maxFlagged) {
		return few
	} else if !few {
		return p.Flagged < q.Flagged
	}
	return p.F1 > q.F1
}
