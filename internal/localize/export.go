package localize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/declip/declip/internal/localize/published"
	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// ExportDifference says by how much the results of an exported file differ from Localize's, each
// the largest difference over all pictures.
type ExportDifference struct {
	Pictures int
	// Network is that of what the network alone gives for the file's input, enlarged to the pictures:
	// rounding.
	Network float64
	// Map is that of the finished maps: with detectors, and without small and low-confidence regions,
	// which the file leaves out, and of tiles, unless the file takes these.
	Map float64
	// Confidence and Score are those of the maps of confidence and of the scores that networks give; 0
	// for networks without.
	Confidence, Score float64
}

// CompareExport runs the exported file of a model (see network.Pretrained.Export) as its
// description says, and Localize's steps, on the same pictures. A file for pictures of one size is
// an error for others.
func CompareExport(ctx context.Context, e *engine.Engine, m *network.Pretrained, file []byte, pictures []*picture.Picture) (d ExportDifference, err error) {
	// The weights are used for a few runs: packing them would take longer than it saves.
	session, err := e.Load(file, engine.SessionOptions{LowMemory: true})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	group, err := NewGroup(e, []*network.Pretrained{m}, LoadOptions{})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	x := &exportRun{spec: m.Spec(), session: session}
	for _, p := range pictures {
		outputs, err := group.Run(ctx, []*picture.Picture{p})
		if err != nil {
			return d, err
		}
		want, err := outputs[0][0].Enlarged(ctx, p.Width, p.Height)
		if err != nil {
			return d, err
		}
		got, err := x.run(ctx, p)
		if err != nil {
			return d, err
		}
		own, err := x.own(ctx, group.members[0].whole, want, p)
		if err != nil {
			return d, err
		}
		if x.spec.Judge != nil { // it comes after the network: the file has no score
			want.Score = nil
		}
		if err := d.add(want, got, own); err != nil {
			return d, err
		}
	}
	return d, nil
}

// add takes the differences of one picture. own is the network's own map at the picture's size.
func (d *ExportDifference) add(want, got Output, own []float32) error {
	d.Pictures++
	if want.Score != nil {
		if got.Score == nil {
			return errors.New("the exported file gives no score")
		}
		d.Score = max(d.Score, math.Abs(*want.Score-*got.Score))
	}
	for _, c := range []struct {
		a, b []float32
		to   *float64
	}{{own, got.Prob, &d.Network}, {want.Prob, got.Prob, &d.Map}, {want.Confidence, got.Confidence, &d.Confidence}} {
		if len(c.a) != len(c.b) {
			return fmt.Errorf("a map of the exported file has %d values, expected %d", len(c.b), len(c.a))
		}
		for i, v := range c.a {
			off := math.Abs(float64(v - c.b[i]))
			if math.IsNaN(off) {
				return fmt.Errorf("value %d of a map is %g, expected %g", i, c.b[i], v)
			}
			*c.to = max(*c.to, off)
		}
	}
	return nil
}

// exportRun runs an exported file.
type exportRun struct {
	spec    network.Spec
	session *engine.Session
}

// own is the map at the picture's size that the network alone gives for the file's input.
func (x *exportRun) own(ctx context.Context, r *Runner, o Output, p *picture.Picture) ([]float32, error) {
	switch {
	case x.spec.Mode != network.ModeTiles:
		return o.Prob, nil
	case x.open():
		return o.Raw.UpsampleContext(ctx, p.Width, p.Height)
	}
	image := make([]float32, 3*p.Width*p.Height)
	picture.Normalization{Mean: network.Mean, Std: network.Std}.Planes(image, p.RGB)
	prob, h, w, err := r.logits(ctx, image, p.Height, p.Width, nil)
	if err != nil {
		return nil, err
	}
	toProbabilities(prob)
	m := picture.Map{Prob: prob, Width: w, Height: h, Stride: x.spec.Stride}
	return m.UpsampleContext(ctx, p.Width, p.Height)
}

// open reports whether the file takes pictures of any size.
func (x *exportRun) open() bool { return slices.Contains(x.session.Inputs()[0].Shape[2:], -1) }

func (x *exportRun) run(ctx context.Context, p *picture.Picture) (Output, error) {
	switch x.spec.Mode {
	case network.ModeTiles:
		return x.tiled(ctx, p)
	case network.ModeWhole:
		return x.whole(ctx, p)
	}
	side := x.spec.Input
	image := make([]float32, 3*side*side)
	picture.Normalization{Std: [3]float32{1, 1, 1}}.Planes(image, picture.Resize(p.RGB, side, side))
	prob, h, w, err := x.probabilities(ctx, image, side, side)
	if err != nil {
		return Output{}, err
	}
	return Output{Raw: picture.Map{Prob: prob, Width: w, Height: h}}.Enlarged(ctx, p.Width, p.Height)
}

// tiled runs a file for pictures of any size in tiles, and one for a single size at once.
func (x *exportRun) tiled(ctx context.Context, p *picture.Picture) (Output, error) {
	if !x.open() {
		image := make([]float32, 3*p.Width*p.Height)
		picture.Normalization{Std: [3]float32{1, 1, 1}}.Planes(image, p.RGB)
		prob, h, w, err := x.probabilities(ctx, image, p.Height, p.Width)
		m := picture.Map{Prob: prob, Width: w, Height: h, Stride: x.spec.Stride}
		if err != nil {
			return Output{}, err
		}
		large, err := m.UpsampleContext(ctx, p.Width, p.Height)
		return Output{Raw: m, Prob: large}, err
	}
	logits := func(ctx context.Context, t tile.Tile) ([]float32, int, int, error) {
		return x.port(ctx, network.PortLogits, t.Image, t.Height, t.Width)
	}
	options := tiling(x.spec, gridOf(x.spec, p.RGB))
	options.Mean, options.Std = [3]float32{}, [3]float32{} // the file normalises by itself
	m, err := tile.Localize(ctx, p.RGB, options, logits)
	if err != nil {
		return Output{}, err
	}
	large, err := m.UpsampleContext(ctx, p.Width, p.Height)
	return Output{Raw: *m, Prob: large}, err
}

func (x *exportRun) probabilities(ctx context.Context, image []float32, h, w int) (prob []float32, oh, ow int, err error) {
	return x.port(ctx, network.PortProbabilities, image, h, w)
}

// port runs the file on image [3, h, w] and gives the map at one of its ports.
func (x *exportRun) port(ctx context.Context, port string, image []float32, h, w int) (values []float32, oh, ow int, err error) {
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
	out, err := x.session.Run(ctx, map[string]*engine.Tensor{network.PortImage: input}, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	shape := out[port].Shape()
	return out[port].Float32s(), shape[2], shape[3], nil
}

func (x *exportRun) whole(ctx context.Context, p *picture.Picture) (Output, error) {
	n, err := published.For(x.spec)
	if err != nil {
		return Output{}, err
	}
	in, err := n.Input(ctx, p)
	if err != nil {
		return Output{}, err
	}
	if err := in.ForExport(x.spec); err != nil {
		return Output{}, err
	}
	out, err := x.session.Run(ctx, in.Tensors, nil)
	if err != nil {
		return Output{}, err
	}
	a, err := published.FromExport(ctx, x.spec, out, p)
	if err != nil {
		return Output{}, err
	}
	return Output{Raw: a.Raw, Prob: a.Prob, Confidence: a.Confidence, Score: a.Score}, nil
}
