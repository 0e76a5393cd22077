package localize

import (
	"context"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// Localize gives the probability of manipulation for every pixel of p, on p's own grid.
func (m *Model) Localize(ctx context.Context, p *picture.Picture) (*Result, error) {
	results, err := m.LocalizeBatch(ctx, []*picture.Picture{p})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// LocalizeBatch is Localize for several pictures at once, with one result for each in their order.
// Models that see a picture scaled to their input take them through the network together, which is
// a little faster for each and needs memory for all. A panic is an error of these pictures.
func (m *Model) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*Result, error) {
	m.use.RLock()
	defer m.use.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	b := &batch{model: m, pictures: pictures}
	if err := runSteps(ctx, batchSteps, b); err != nil {
		return nil, err
	}
	return b.results, nil
}

// batch is pictures on their way through a model, by batchSteps.
type batch struct {
	model    *Model
	pictures []*picture.Picture
	outputs  [][]Output // of each picture, one for each network
	results  []*Result
}

func (b *batch) check(context.Context) error {
	for _, p := range b.pictures {
		if p.Width == 0 || p.Height == 0 {
			return fmt.Errorf("picture of %d x %d pixels: it is empty", p.Width, p.Height)
		}
	}
	return nil
}

func (b *batch) runNetworks(ctx context.Context) (err error) {
	if b.model.tiles != nil {
		b.outputs, err = b.model.runTiles(ctx, b.pictures)
		return err
	}
	b.outputs, err = b.model.group.Run(ctx, b.pictures)
	return err
}

// combine makes the results' maps: the mean of the networks' and, if asked for, each network's own.
func (b *batch) combine(ctx context.Context) error {
	for i, p := range b.pictures {
		mean, err := Mean(ctx, b.outputs[i], p.Width, p.Height)
		if err != nil {
			return err
		}
		r := b.newResult(b.model.Name(), p, mean)
		if b.model.each {
			for k, o := range b.outputs[i] {
				if o, err = o.Enlarged(ctx, p.Width, p.Height); err != nil {
					return err
				}
				r.Each = append(r.Each, b.newResult(b.model.names[k], p, o))
			}
		}
		b.results = append(b.results, r)
	}
	return nil
}

func (b *batch) newResult(name string, p *picture.Picture, o Output) *Result {
	return &Result{
		Width: p.Width, Height: p.Height, Format: p.Format, Orientation: p.Orientation, Warnings: p.Warnings,
		Model: name, Threshold: b.model.threshold, Prob: o.Prob, Raw: o.Raw, Confidence: o.Confidence, networkScore: o.Score,
		calibrated: o.Calibrated,
	}
}

// summarize computes scores and regions, and says what made the results.
func (b *batch) summarize(ctx context.Context) error {
	if b.model.weights != nil {
		made, err := b.model.Provenance()
		if err != nil {
			return err
		}
		for _, r := range b.results {
			r.Provenance = made
		}
	}
	allByMean := !slices.Contains(b.model.byMean, false)
	for _, r := range b.results {
		if err := r.measure(ctx, allByMean); err != nil {
			return err
		}
		for k, own := range r.Each {
			if err := own.measure(ctx, b.model.byMean[k]); err != nil {
				return err
			}
		}
	}
	return nil
}
