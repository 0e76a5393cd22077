package doublejpeg

import (
	"context"

	"github.com/declip/declip/internal/picture"
)

// Diagonals is the number of groups that the frequencies are divided into. Group k has those whose
// waves down and across a block add up to k+1, so that mirroring a picture and exchanging its rows
// and columns does not change its groups.
const Diagonals = 6

// Spectrum is a Grid's log-odds by group of frequencies, for single blocks: not smoothed over their
// neighbours.
type Spectrum struct {
	Grid                      // Logit is not set
	Odds [Diagonals][]float32 // of each block, [Height, Width], in nats; 0 for clipped blocks
}

// FindSpectra is Find by group of frequencies, for the file's own grid and for another grid. Each
// is nil where Find would give none.
func FindSpectra(ctx context.Context, p *picture.RGB) (own, other *Spectrum, err error) {
	if tooSmall(p) {
		return nil, nil, nil
	}
	if p.Steps != nil {
		if own, err = spectrum(ctx, p, 0, 0, p.Steps); err != nil {
			return nil, nil, err
		}
	}
	x, y, ok, err := otherGrid(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		other, err = spectrum(ctx, p, x, y, nil)
	}
	return own, other, err
}

func spectrum(ctx context.Context, p *picture.RGB, x0, y0 int, steps *[64]uint16) (*Spectrum, error) {
	s := &Spectrum{Grid: Grid{Width: (p.Width - x0) / 8, Height: (p.Height - y0) / 8, X: x0, Y: y0}}
	here, worth, err := judge(ctx, p, s.Grid, steps)
	if err != nil {
		return nil, err
	}
	for k := range s.Odds {
		s.Odds[k] = make([]float32, len(here.clipped))
	}
	for f, list := range here.levels {
		odds := s.Odds[order[f][0]+order[f][1]-1]
		for i, v := range list {
			if !here.clipped[i] {
				odds[i] += worth[f][v]
			}
		}
	}
	return s, nil
}
