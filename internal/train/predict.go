package train

import (
	"context"
	"fmt"
	"sync"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/graph"
	"github.com/declip/declip/internal/network"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/tile"
	"github.com/declip/declip/internal/weights"
)

// predictor runs a model with fixed weights over whole pictures, the way the network's spec says.
// Sessions are kept by input size.
type predictor struct {
	engine *engine.Engine
	model  Model
	params []network.Param

	mu       sync.Mutex
	sessions map[[2]int]*engine.Session
}

func newPredictor(e *engine.Engine, model Model, params []network.Param) *predictor {
	return &predictor{engine: e, model: model, params: params, sessions: map[[2]int]*engine.Session{}}
}

func (p *predictor) close() {
	for _, s := range p.sessions {
		s.Close()
	}
}

// predict implements Predict.
func (p *predictor) predict(ctx context.Context, rgb *picture.RGB) ([]float32, error) {
	spec := p.model.Spec()
	if spec.Mode == network.ModeTiles {
		options := tile.Options{Size: spec.Tile, Overlap: spec.Overlap, Mean: network.Mean, Std: network.Std}
		m, err := tile.Localize(ctx, tile.Picture{Pix: rgb.Pix, Width: rgb.Width, Height: rgb.Height}, options, p.run)
		if err != nil {
			return nil, err
		}
		return m.Upsample(rgb.Width, rgb.Height), nil
	}
	image := make([]float32, 3*spec.Input*spec.Input)
	norm := dataset.Normalization{Mean: network.Mean, Std: network.Std}
	norm.Planes(image, picture.Resize(rgb, spec.Input, spec.Input))
	logits, h, w, err := p.run(ctx, image, spec.Input, spec.Input)
	if err != nil {
		return nil, err
	}
	for i, v := range logits {
		logits[i] = tile.Sigmoid(v)
	}
	return picture.ResizeFloat(logits, w, h, rgb.Width, rgb.Height), nil
}

// run implements tile.Run.
func (p *predictor) run(ctx context.Context, image []float32, h, w int) ([]float32, int, int, error) {
	session, err := p.session(h, w)
	if err != nil {
		return nil, 0, 0, err
	}
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
	out, err := session.Run(ctx, map[string]*engine.Tensor{"image": input}, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	logits := out["logits"]
	shape := logits.Shape()
	if len(shape) != 4 {
		return nil, 0, 0, fmt.Errorf("the network's map has shape %v, expected [N,1,h,w]", shape)
	}
	return logits.Float32s(), shape[2], shape[3], nil
}

func (p *predictor) session(h, w int) (*engine.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[[2]int{h, w}]; s != nil {
		return s, nil
	}
	g := graph.New()
	logits, _ := p.model.Build(g, g.Input("image", graph.Open, 3, h, w), false)
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("network for %dx%d pixels: %w", w, h, err)
	}
	inits := map[string]graph.Initializer{}
	for _, q := range p.params {
		inits[q.Name] = graph.Initializer{DType: graph.Float32, Shape: q.Shape, Data: weights.FromFloat32s(q.Name, q.Shape, q.Data).Data}
	}
	bytes, err := g.Encode([]graph.Output{{Name: "logits", Node: logits}}, inits)
	if err != nil {
		return nil, err
	}
	s, err := p.engine.Load(bytes, engine.SessionOptions{})
	if err != nil {
		return nil, err
	}
	p.sessions[[2]int{h, w}] = s
	return s, nil
}
