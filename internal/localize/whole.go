package localize

import (
	"context"

	"github.com/declip/declip/internal/localize/published"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// wholeRun is a picture on its way through another author's network, by wholeSteps.
type wholeRun struct {
	*Runner
	picture *picture.Picture
	input   *published.Input
	outputs map[string]*engine.Tensor
	out     Output
}

// mapped reports whether a network in one piece leaves its weights in their file. Most have small
// weights and large maps, for which packing pays. CAT-Net has half a gigabyte of weights and TruFor
// a quarter. Packing copies them twice for each size of pictures, and takes longer for that than
// for a picture of 512 x 512 pixels.
func mapped(spec network.Spec) bool {
	return spec.Arch == network.ArchCATNet || spec.Arch == network.ArchCATNetDCT || spec.Arch == network.ArchTruFor
}

// keptPerPixel is about how many bytes of maps a session of another author's network keeps for each
// pixel of its pictures. CAT-Net's was measured at 12 megapixels, those of PSCC-Net and TruFor are
// what package published says of its limits, and that of cat-net-dct is a guess on the safe side.
var keptPerPixel = map[string]int64{
	network.ArchCATNet: 300, network.ArchCATNetDCT: 200, network.ArchPSCCNet: 2000, network.ArchTruFor: 1000,
}

// keptBytes estimates what a session of a network in one piece keeps, for sessions.cost.
func keptBytes(m *network.Pretrained) (func(h, w int) int64, error) {
	each, ok := keptPerPixel[m.Spec().Arch]
	if !ok {
		return nil, nil
	}
	tensors, err := m.Tensors()
	if err != nil {
		return nil, err
	}
	weights := int64(0)
	for _, t := range tensors {
		weights += t.Tensor.Length
	}
	return func(h, w int) int64 { return weights + each*int64(h)*int64(w) }, nil
}

func (r *Runner) runWhole(ctx context.Context, p *picture.Picture) (Output, error) {
	run := &wholeRun{Runner: r, picture: p}
	if err := runSteps(ctx, wholeSteps, run); err != nil {
		return Output{}, err
	}
	return run.out, nil
}

func (w *wholeRun) prepare(ctx context.Context) (err error) {
	w.input, err = w.published.Input(ctx, w.picture)
	return err
}

func (w *wholeRun) runNetwork(ctx context.Context) error {
	session, release, err := w.sessions.get(ctx, w.input.Height, w.input.Width)
	if err != nil {
		return err
	}
	defer release()
	parallel.Point("network")
	w.outputs, err = session.Run(ctx, w.input.Tensors, nil)
	w.input = nil // large, and of no further use
	return err
}

func (w *wholeRun) readAnswer(ctx context.Context) error {
	for _, t := range w.outputs {
		if err := network.CheckNaN(w.spec.String(), t.Float32s()); err != nil {
			return err
		}
	}
	a, err := w.published.Answer(ctx, w.outputs, w.picture)
	if err != nil {
		return err
	}
	w.out = Output{Raw: a.Raw, Prob: a.Prob, Confidence: a.Confidence, Score: a.Score}
	return nil
}
