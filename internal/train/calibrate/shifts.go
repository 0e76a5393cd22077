package calibrate

import (
	"context"
	"fmt"
	"math"
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
		list, err := r.measure(ctx, folder, o, by, thresholds[middle:middle+1])
		if err != nil {
			return err
		}
		points := make([]Point, len(by))
		for i, m := range list {
			points[i] = m.at(0)
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
	if r.After.MostFlagged > o.MaxFlagged {
		return fmt.Errorf("with findings and regions, the network flags %.2f %% of the untouched pictures at the best shift, expected at most %.2f %%",
			100*r.After.MostFlagged, 100*o.MaxFlagged)
	}
	return nil
}

// bestPoint is the index of the best point: of equally good ones that flag few enough pictures the
// one nearest to a shift of 0, of others the lowest, below which fewer may be flagged.
func bestPoint(points []Point, by []float64, maxFlagged float64) int {
	best := 0
	for i, p := range points {
		if p.better(points[best], maxFlagged) ||
			p == points[best] && p.MostFlagged <= maxFlagged && math.Abs(by[i]) < math.Abs(by[best]) {
			best = i
		}
	}
	return best
}

// better says whether p is preferable to q: first flagging few enough pictures, then F1.
func (p Point) better(q Point, maxFlagged float64) bool {
	if few := p.MostFlagged <= maxFlagged; few != (q.MostFlagged <= maxFlagged) {
		return few
	} else if !few {
		return p.MostFlagged < q.MostFlagged
	}
	return p.F1 > q.F1
}
