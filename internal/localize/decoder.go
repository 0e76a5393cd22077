package localize

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Decoder is a decoder without its backbones. It is safe for concurrent use until it is closed.
type Decoder struct {
	session *engine.Session
	name    string
}

// NewDecoder loads a program as network.Pretrained.Decoder returns it. Errors about its results
// begin with name. The caller closes the decoder.
func NewDecoder(e *engine.Engine, p network.Program, name string) (*Decoder, error) {
	s, err := e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder})
	if err != nil {
		return nil, fmt.Errorf("decoder of %s: %w", name, err)
	}
	return &Decoder{s, name}, nil
}

// Maps computes the probabilities, at the decoder's own size, for the features of N pictures by
// network.FeatureInput. Errors about NaN wrap network.ErrNaN.
func (d *Decoder) Maps(ctx context.Context, features map[string]*engine.Tensor) ([]picture.Map, error) {
	return decode(ctx, d.session, d.name, features)
}

// Close frees the session; no call of Maps may be in progress.
func (d *Decoder) Close() error { return d.session.Close() }

// decode runs a decoder on the features of N pictures. Errors about its results begin with name.
func decode(ctx context.Context, decoder *engine.Session, name string, inputs map[string]*engine.Tensor) ([]picture.Map, error) {
	parallel.Point("network")
	out, err := decoder.Run(ctx, inputs, nil)
	if err != nil {
		return nil, err
	}
	shape, prob := out[network.PortLogits].Shape(), out[network.PortLogits].Float32s()
	if err := network.CheckNaN(name, prob); err != nil {
		return nil, err
	}
	toProbabilities(prob)
	h, w := shape[2], shape[3]
	maps := make([]picture.Map, shape[0])
	for i := range maps {
		maps[i] = picture.Map{Prob: prob[i*h*w:][:h*w], Width: w, Height: h}
	}
	return maps, nil
}
