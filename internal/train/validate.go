package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train/features"
	"github.com/declip/declip/internal/train/tensorboard"
)

// validate scores the weights on the validation pictures; nil without any. shown are maps of a few
// of them.
func (t *trainer) validate(ctx context.Context, params []network.Param) (score *Score, shown []tensorboard.Image, err error) {
	if t.valid == nil {
		return nil, nil, ctx.Err()
	}
	began := time.Now()
	predict, done, err := t.predictor(params)
	if err != nil {
		return nil, nil, fmt.Errorf("validation: %w", err)
	}
	defer func() { _ = done() }() // the sessions of a network that was only read
	var bad skips
	options := ScoreOptions{Limit: t.config.ValidLimit, Workers: t.engine.Info().Threads, Done: t.config.Hooks.Score}
	if t.config.SkipBad {
		options.Bad = bad.add
	}
	var maps *samples
	if !t.config.NoTensorBoard {
		maps = chooseSamples(dataset.Some(t.valid, options.Limit).Len())
		options.Look = maps.show
	}
	results, err := Evaluate(ctx, t.valid, predict, options)
	if err != nil {
		return nil, nil, fmt.Errorf("validation: %w", t.hintSkip(err))
	}
	t.state.Validation = time.Since(began)
	if err := t.recordSkips(bad.list()); err != nil {
		return nil, nil, err
	}
	if maps != nil {
		if shown, err = maps.gathered(); err != nil {
			return nil, nil, err
		}
	}
	summary := Summarize(results)
	if t.config.Supervision == Detection && summary.Detection == nil {
		return nil, nil, errors.New("validation: detection needs manipulated and untouched pictures, and all are of one kind")
	}
	return &summary, shown, nil
}

// predictor runs the network with the given weights, until done is called.
func (t *trainer) predictor(params []network.Param) (predict Predict, done func() error, err error) {
	if t.features == nil {
		r, err := localize.New(t.engine, snapshot{t.network, params, t.form()})
		if err != nil {
			return nil, nil, err
		}
		return r.Predict, r.Close, nil
	}
	spec := t.network.Spec()
	program, err := network.Inference(t.network, params, network.Form{Winograd: t.engine.Winograd()}, spec.Input, spec.Input)
	if err != nil {
		return nil, nil, err
	}
	decoder, err := localize.NewDecoder(t.engine, program, spec.String())
	if err != nil {
		return nil, nil, err
	}
	p := headPredictor{t.features, decoder, spec.Input}
	return p.predict, decoder.Close, nil
}

// snapshot is a network with its weights at one moment.
type snapshot struct {
	Network
	params []network.Param
	form   network.Form
}

// form is how the network is written for validation. Other authors' networks are localized with in
// the engine's own form, declip's in the plain one.
func (t *trainer) form() network.Form {
	if t.network.Spec().Mode == network.ModeWhole {
		return network.Form{Winograd: t.engine.Winograd()}
	}
	return network.Plain
}

// Inference implements localize.Network.
func (s snapshot) Inference(height, width int) (network.Program, error) {
	return network.Inference(s.Network, s.params, s.form, height, width)
}

// headPredictor runs a decoder on the features of a picture.
type headPredictor struct {
	features features.Source
	decoder  *localize.Decoder
	side     int // of the backbones' input in pixels
}

func (p headPredictor) predict(ctx context.Context, whole *picture.Picture) ([]float32, error) {
	rgb := whole.RGB
	image, err := localize.Scaled(ctx, []*picture.RGB{rgb}, p.side)
	if err != nil {
		return nil, err
	}
	inputs, err := p.features.Features(ctx, image)
	if err != nil {
		return nil, err
	}
	named := map[string]*engine.Tensor{}
	for i, f := range inputs {
		named[network.FeatureInput(i)] = f
	}
	maps, err := p.decoder.Maps(ctx, named)
	if err != nil {
		return nil, err
	}
	m := maps[0]
	return picture.FitFloatContext(ctx, m.Prob, m.Width, m.Height, rgb.Width, rgb.Height)
}
