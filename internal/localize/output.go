package localize

import (
	"context"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Output is what a network says about a picture.
type Output struct {
	Raw  picture.Map // the network's own map
	Prob []float32   // probabilities at the picture's size: [Height, Width]; see Enlarged
	// Confidence in [0,1] that the map is right, at the picture's size: [Height, Width]; nil for
	// networks that give none.
	Confidence []float32
	// Score is the network's own probability that the picture is manipulated; nil for networks that
	// give none.
	Score *float64
	// Calibrated says that Score comes from the Judge of the network's Spec.
	Calibrated bool
}

// Mean is the mean of several models' outputs for a picture of the given size in pixels. Its Raw is
// the mean of the models' own maps if these have one size, and the mean at the picture's size
// otherwise. Confidence and Score are kept for a single model only: they belong to its map. An
// error is that of ctx.
func Mean(ctx context.Context, outputs []Output, width, height int) (Output, error) {
	raw := make([]picture.Map, len(outputs))
	equal := true
	for i, o := range outputs {
		raw[i] = o.Raw
		equal = equal && o.Prob == nil && o.Raw.Width == raw[0].Width && o.Raw.Height == raw[0].Height
	}
	if equal {
		m, err := mean(ctx, raw)
		if err != nil {
			return Output{}, err
		}
		return Output{Raw: m}.Enlarged(ctx, width, height)
	}
	for i, o := range outputs {
		large, err := o.Enlarged(ctx, width, height)
		if err != nil {
			return Output{}, err
		}
		raw[i] = picture.Map{Prob: large.Prob, Width: width, Height: height}
	}
	if len(outputs) == 1 {
		single := outputs[0]
		single.Prob = raw[0].Prob
		return single, nil
	}
	m, err := mean(ctx, raw)
	return Output{Raw: m, Prob: m.Prob}, err
}

// mean averages maps of one size; a single one is returned as it is. It looks at ctx before each.
func mean(ctx context.Context, maps []picture.Map) (picture.Map, error) {
	if len(maps) == 1 {
		return maps[0], nil
	}
	sum := make([]float32, len(maps[0].Prob))
	for _, m := range maps {
		if ctx.Err() != nil {
			return picture.Map{}, context.Cause(ctx)
		}
		for i, v := range m.Prob {
			sum[i] += v
		}
	}
	for i := range sum {
		sum[i] /= float32(len(maps))
	}
	return picture.Map{Prob: sum, Width: maps[0].Width, Height: maps[0].Height}, nil
}

// Enlarged adds the map at the picture's size, if it is missing. An error is that of ctx.
func (o Output) Enlarged(ctx context.Context, width, height int) (_ Output, err error) {
	if o.Prob == nil {
		parallel.Point("enlarge")
		o.Prob, err = picture.FitFloatContext(ctx, o.Raw.Prob, o.Raw.Width, o.Raw.Height, width, height)
	}
	return o, err
}
