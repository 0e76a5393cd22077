package localize

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// LocalizeShifted calls do for each shift with the probabilities [Height, Width] that the model
// would give for p with the shift added to its network's logits. The network runs once for all
// shifts, and so do the detectors. The model must be one network that runs over tiles; others can
// be run with a single shift of 0 only.
func (m *Model) LocalizeShifted(ctx context.Context, p *picture.RGB, shifts []float64, do func(i int, prob []float32) error) error {
	if len(shifts) == 1 && shifts[0] == 0 {
		r, err := m.Localize(ctx, picture.New(p))
		if err != nil {
			return err
		}
		return do(0, r.Prob)
	}
	m.use.RLock()
	defer m.use.RUnlock()
	if m.closed {
		return ErrClosed
	}
	if specs := m.Specs(); len(specs) != 1 || specs[0].Mode != network.ModeTiles || m.tiles != nil {
		return fmt.Errorf("%s: shifts of the logits need one network that runs over tiles", m.Name())
	}
	return m.group.members[0].whole.runShifted(ctx, p, shifts, do)
}

// runShifted is LocalizeShifted for a network that runs over tiles.
func (r *Runner) runShifted(ctx context.Context, rgb *picture.RGB, shifts []float64, do func(i int, prob []float32) error) error {
	ctx, stop := context.WithCancel(ctx)
	run := &tiledRun{Runner: r, rgb: rgb}
	defer run.endDetectors(stop)
	if err := runSteps(ctx, beforeTiles, run); err != nil {
		return err
	}
	maps, err := tile.LocalizeSeveral(ctx, rgb, tiling(r.spec, run.grid), func(ctx context.Context, t tile.Tile) ([][]float32, int, int, error) {
		logits, oh, ow, err := run.runTile(ctx, t)
		if err != nil {
			return nil, 0, 0, err
		}
		list := make([][]float32, len(shifts))
		for i, shift := range shifts {
			list[i] = make([]float32, len(logits))
			for k, v := range logits {
				list[i][k] = numeric.Sigmoid32(v + float32(shift))
			}
		}
		return list, oh, ow, nil
	})
	if err != nil {
		return err
	}
	if err := run.waitForDetectors(ctx); err != nil {
		return err
	}
	for i, m := range maps {
		run.raw, run.judged = *m, *m
		if err := runSteps(ctx, afterTiles, run); err != nil {
			return err
		}
		if err := do(i, run.prob); err != nil {
			return err
		}
	}
	return nil
}
