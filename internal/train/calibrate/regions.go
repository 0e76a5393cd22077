package calibrate

import (
	"context"
	"fmt"
	"path/filepath"
)

// Steps of the search for the shift of a network that drops regions, in logits: wideStep while it
// helps, then fineStep.
const (
	wideStep  = 0.5
	fineStep  = 0.25
	maxShifts = 12 // shifts that are measured at most
)

// chooseWithRegions continues from the shift that choose found without dropping regions. Which
// regions stay changes with the shift in ways that no threshold on the maps of one shift predicts.
// So each shift is measured, up and down in steps as long as they help.
func (r *Result) chooseWithRegions(ctx context.Context, folder string, o Options) error {
	seen := map[float64]Point{} // by shift: sums of eighths, which are exact
	try := func(by float64) (Point, error) {
		if err := r.shift(by); err != nil {
			return Point{}, err
		}
		if p, ok := seen[r.Shift]; ok {
			return p, nil
		}
		path := filepath.Join(folder, fmt.Sprintf("regions%d.safetensors", len(seen)))
		m, err := r.measure(ctx, path, o, maxPasses+len(seen))
		if err != nil {
			return Point{}, err
		}
		seen[r.Shift] = m.at(middle)
		return seen[r.Shift], nil
	}
	var err error
	if r.After, err = try(0); err != nil {
		return err
	}
	for _, step := range []float64{-wideStep, wideStep, -fineStep, fineStep} {
		for helps := true; helps && len(seen) < maxShifts; {
			p, err := try(step)
			if err != nil {
				return err
			}
			tooMany := r.After.Flagged > o.MaxFlagged // it may take several steps down to flag fewer
			if helps = p.better(r.After, o.MaxFlagged) || tooMany && step < 0; helps {
				r.After = p
				continue
			}
			if err := r.shift(-step); err != nil {
				return err
			}
		}
	}
	if r.After.Flagged > o.MaxFlagged {
		return fmt.Errorf("with regions dropped, the network flags %.1f %% of the untouched pictures at the best shift, expected at most %.1f %%",
			100*r.After.Flagged, 100*o.MaxFlagged)
	}
	return nil
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
