package localize

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// Decoder is a decoder without its backbones. It is safe for concurrent use until it is closed.
type Decoder struct {
	session *engine.Session
	name    string
}

// NewDecoder loads a program as network.Pretrained.Decoder gives it. Errors about what it computes begin with name. Its owner
// closes it.
func NewDecoder(e *engine.Engine, p network.Program, name string) (*Decoder, error) {
	s, err := e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder})
	if err != nil {
		return nil, fmt.Errorf("decoder of %s: %w", name, err)
	}
	return &Decoder{s, name}, nil
}

// Maps gives the probabilities for features, by network.FeatureInput, of N pictures, at the decoder's own size. Errors
// about NaN wrap network.ErrNaN.
func (d *Decoder) Maps(ctx context.Context, features map[string]*engine.Tensor) ([]picture.Map, error) {
	return decode(ctx, d.session, d.name, features)
}

// Close frees the session; no call of Maps must be under way.
func (d *Decoder) Close() error { return d.session.Close() }
