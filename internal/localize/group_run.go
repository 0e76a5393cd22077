package localize

import (
	"context"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// decodedParts is how many batches of a backbone go through a decoder together: a decoder's kernels
// are transformed for each run, and its maps are small.
const decodedParts = 4

// Run runs all models on each picture and gives for each picture the models' outputs in their
// order. Pictures go through backbones and decoders in batches; on a CPU a backbone takes as many
// at a time as there are threads, because more are no faster there and take memory. A picture's
// outputs do not depend on the others beyond the last bits of float32 arithmetic.
func (g *Group) Run(ctx context.Context, pictures []*picture.Picture) ([][]Output, error) {
	var outputs [][]Output
	for part := range slices.Chunk(pictures, decodedParts*min(g.atOnce, max(1, len(pictures)))) {
		run := &groupRun{Group: g, pictures: part, outputs: make([][]Output, len(part))}
		for i := range run.outputs {
			run.outputs[i] = make([]Output, len(g.members))
		}
		if err := runSteps(ctx, groupSteps, run); err != nil {
			return nil, err
		}
		outputs = append(outputs, run.outputs...)
	}
	return outputs, nil
}

// groupRun is some pictures on their way through all models of a group, by groupSteps.
type groupRun struct {
	*Group
	pictures []*picture.Picture
	features map[reading]*engine.Tensor
	outputs  [][]Output // of each picture, one for each member
}

// runWhole runs the networks in one piece, picture by picture.
func (r *groupRun) runWhole(ctx context.Context) (err error) {
	var wholes []int
	for k, m := range r.members {
		if m.whole != nil {
			wholes = append(wholes, k)
		}
	}
	for n, k := range wholes {
		for i, p := range r.pictures {
			ctx := withShare(ctx, n*len(r.pictures)+i, len(wholes)*len(r.pictures))
			if r.outputs[i][k], err = r.members[k].whole.Run(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// runBackbones computes the features that the decoders read, each backbone's once.
func (r *groupRun) runBackbones(ctx context.Context) error {
	images := map[int]*engine.Tensor{} // the pictures by side
	pixels := make([]*picture.RGB, len(r.pictures))
	for i, p := range r.pictures {
		pixels[i] = p.RGB
	}
	return r.runPasses(ctx, func(p *pass) (_ *engine.Tensor, err error) {
		side := p.backbone.Side()
		if images[side] == nil {
			images[side], err = Scaled(ctx, pixels, side)
		}
		return images[side], err
	})
}

// runPasses runs each backbone on the images [N, 3, side, side] that are given for it.
func (r *groupRun) runPasses(ctx context.Context, images func(*pass) (*engine.Tensor, error)) error {
	r.features = map[reading]*engine.Tensor{}
	for _, p := range r.passes {
		input, err := images(p)
		if err != nil {
			return err
		}
		out, err := p.parts(ctx, input)
		if err != nil {
			return err
		}
		for layer, t := range out {
			r.features[reading{p, layer}] = t
		}
	}
	return nil
}

// runDecoders turns features into maps.
func (r *groupRun) runDecoders(ctx context.Context) error {
	for k, m := range r.members {
		if m.whole != nil {
			continue
		}
		inputs := map[string]*engine.Tensor{}
		for i, read := range m.reads {
			inputs[network.FeatureInput(i)] = r.features[read]
		}
		maps, err := decode(ctx, m.decoder, m.name, inputs)
		if err != nil {
			return err
		}
		for i, raw := range maps {
			r.outputs[i][k] = Output{Raw: raw}
		}
	}
	return nil
}
