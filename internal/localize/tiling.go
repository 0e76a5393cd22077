package localize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// Tiling runs networks that see a picture scaled to their input over squares of the picture's own
// pixels instead, which overlap and are blended. Small edits, which scaling would erase, stay
// visible; what a network knows of a whole picture is missing, unless Context adds it. The zero
// value means no tiling.
type Tiling struct {
	// Size is the side of a tile in pixels: the network's input, or, on DINOv2 and DINOv3, any
	// multiple of their patches. 0 means no tiling.
	Size int
	// Overlap is the width in pixels that neighbouring tiles share; 0 means an eighth of Size.
	Overlap int
	// Context says how the map of the tiles and that of the scaled whole picture are joined:
	// ContextNone (or empty), ContextMean or ContextMax.
	Context string
}

// ErrTiling is wrapped by errors about a tiling that makes no sense, or not for a model.
var ErrTiling = errors.New("no such tiling")

// How the map of a whole picture is joined with that of its tiles.
const (
	ContextNone = "none" // the tiles' map alone
	ContextMean = "mean" // the mean of both probabilities
	ContextMax  = "max"  // the larger probability
)

// Contexts lists the values of Tiling.Context.
func Contexts() []string { return []string{ContextNone, ContextMean, ContextMax} }

// leastTile is the smallest side of a tile in pixels.
const leastTile = 32

// complete fills in the defaults and checks the options.
func (t Tiling) complete() (Tiling, error) {
	if t.Context == "" {
		t.Context = ContextNone
	}
	if !slices.Contains(Contexts(), t.Context) {
		return t, fmt.Errorf("%w: context %q: expected none, mean or max", ErrTiling, t.Context)
	}
	if t.Size == 0 {
		if t.Overlap != 0 || t.Context != ContextNone {
			return t, fmt.Errorf("%w: an overlap of %d and the context %q need tiles", ErrTiling, t.Overlap, t.Context)
		}
		return t, nil
	}
	if t.Overlap == 0 {
		t.Overlap = t.Size / 8
	}
	if t.Size < leastTile || t.Overlap < 0 || 2*t.Overlap > t.Size {
		return t, fmt.Errorf("%w: tiles of %d pixels that overlap by %d: expected at least %d, and an overlap of at most half of it",
			ErrTiling, t.Size, t.Overlap, leastTile)
	}
	return t, nil
}

// check returns an error for a network that cannot run over such tiles, and says whether the tiles
// are of another size than the networks' inputs.
func (t Tiling) check(networks []*network.Pretrained) (other bool, err error) {
	for _, n := range networks {
		spec := n.Spec()
		if spec.Mode != network.ModeResize {
			return false, fmt.Errorf("%w: %s: %v sees pictures at their own size already", ErrTiling, n.Path(), spec)
		}
		other = other || spec.Input != t.Size
	}
	return other, nil
}

// options lay out the tiles. All have the size of the network's input: pictures that are smaller
// are continued by their mirror image.
func (t Tiling) options() tile.Options {
	align := 8 // the phase of JPEG's blocks
	if t.Size%align != 0 {
		align = 1
	}
	return tile.Options{Size: t.Size, Overlap: t.Overlap, Align: align, Granule: t.Size, Mean: network.Mean, Std: network.Std}
}

// runTiles runs the models over each picture's tiles and, if the tiling has a context, on the whole
// pictures.
func (m *Model) runTiles(ctx context.Context, pictures []*picture.Picture) (outputs [][]Output, err error) {
	var whole [][]Output
	if m.tiling.Context != ContextNone {
		if whole, err = m.group.Run(ctx, pictures); err != nil {
			return nil, err
		}
	}
	for i, p := range pictures {
		maps, err := tile.LocalizeSeveral(ctx, p.RGB, m.tiling.options(), m.tiles.runTile)
		if err != nil {
			return nil, err
		}
		var list []Output
		for k, t := range maps {
			out := Output{Raw: *t}
			if whole != nil {
				large, err := whole[i][k].Enlarged(ctx, p.Width, p.Height)
				if err != nil {
					return nil, err
				}
				out.Prob = m.tiling.join(t.Prob, large.Prob)
			}
			list = append(list, out)
		}
		outputs = append(outputs, list)
	}
	return outputs, nil
}

// join combines the probabilities of the tiles and of the whole picture.
func (t Tiling) join(tiles, whole []float32) []float32 {
	out := make([]float32, len(tiles))
	for i, v := range tiles {
		if t.Context == ContextMax {
			out[i] = max(v, whole[i])
		} else {
			out[i] = (v + whole[i]) / 2
		}
	}
	return out
}

// runTile computes the members' probabilities for a tile [3, h, w], enlarged or shrunk to its size.
func (g *Group) runTile(ctx context.Context, t tile.Tile) (maps [][]float32, oh, ow int, err error) {
	image, h, w := t.Image, t.Height, t.Width
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
	run := &groupRun{Group: g, outputs: [][]Output{make([]Output, len(g.members))}}
	if err := run.runPasses(ctx, func(*pass) (*engine.Tensor, error) { return input, nil }); err != nil {
		return nil, 0, 0, err
	}
	if err := run.runDecoders(ctx); err != nil {
		return nil, 0, 0, err
	}
	for k, m := range g.members {
		raw := run.outputs[0][k].Raw
		if m.whole != nil {
			if raw, err = m.whole.mapOf(ctx, image, h, w); err != nil {
				return nil, 0, 0, err
			}
		}
		maps = append(maps, picture.FitFloat(raw.Prob, raw.Width, raw.Height, w, h))
	}
	return maps, h, w, nil
}
