package calibrate

import (
	"context"
	"fmt"
	"path/filepath"
)

// Steps in which the shift of a network whose parts are judged as wholes is looked for, in logits: judgedWide while they help,
// then judgedFine.
const (
	judgedWide = 0.5
	judgedFine = 0.25
	judgedMost = 12 // shifts that are measured at most
)

// chooseJudged moves on from the shift that choose found without judging parts. What parts are taken changes with the shift in
// ways that no threshold on one shift's maps foretells, so each shift that is looked at is measured: up and down in steps
// as long as they help.
func (r *Result) chooseJudged(ctx context.Context, folder string, o Options) error {
	seen := map[float64]Point{} // by shift: sums of eighths, which are exact
	try := func(by float64) (Point, error) {
		if err := r.shift(by); err != nil {
			return Point{}, err
		}
		if p, ok := seen[r.Shift]; ok {
			return p, nil
		}
		path := filepath.Join(folder, fmt.Sprintf("judged%d.safetensors", len(seen)))
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
	for _, step := range []float64{-judgedWide, judgedWide, -judgedFine, judgedFine} {
		for helps := true; helps && len(seen) < judgedMost; {
			p, err := try(step)
			if err != nil {
				return err
			}
			tooMany := r.After.Flagged > o.MaxFlagged // fewer may be flagged only some steps further down
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
		return fmt.Errorf("with its parts judged, the network flags %.1f %% of the untouched pictures at the best shift, expected at most %.1f %%",
			100*r.After.Flagged, 100*o.MaxFlagged)
	}
	return nil
}

// better tells whether p is to be preferred to q: flagging few enough counts first, then F1.
func (p Point) better(q Point, maxFlagged float64) bool {
	if few := p.Flagged <= maxFlagged; few != (q.Flagged <= maxFlagged) {
		return few
	} else if !few {
		return p.Flagged < q.Flagged
	}
	return p.F1 > q.F1
}
