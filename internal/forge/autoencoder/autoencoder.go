package autoencoder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/picture"
)

// Reduction is the width and height of a cell of the latent grid in pixels.
const Reduction = 4

// Shape is the size of a network.
type Shape struct {
	Channels int `json:"channels"` // values in a cell of the latent grid
	Width    int `json:"width"`    // channels of the layers between, at the grid's resolution
}

// DefaultShape has 8 values for the 48 of a cell's pixels.
var DefaultShape = Shape{Channels: 8, Width: 64}

// Validate reports sizes out of range.
func (s Shape) Validate() error {
	if s.Channels < 1 || s.Channels > 64 || s.Width < 4 || s.Width > 512 {
		return fmt.Errorf("autoencoder of %d channels and width %d: expected 1 to 64 and 4 to 512", s.Channels, s.Width)
	}
	return nil
}

// Codec is a trained autoencoder that is ready to run. It is safe for concurrent use.
type Codec struct {
	engine *engine.Engine
	shape  Shape
	theta  []float32
	inits  map[string]graph.Initializer
}

// newCodec takes all weights in one vector, in the order of Shape.parts, and does not copy it.
func newCodec(e *engine.Engine, shape Shape, theta []float32) (*Codec, error) {
	if err := shape.Validate(); err != nil {
		return nil, err
	}
	if want := shape.size(); len(theta) != want {
		return nil, fmt.Errorf("autoencoder has %d weights, expected %d", len(theta), want)
	}
	c := &Codec{engine: e, shape: shape, theta: theta, inits: map[string]graph.Initializer{}}
	at := 0
	for _, p := range shape.parts() {
		c.inits[p.name] = graph.Initializer{DType: graph.Float32, Shape: p.shape, Data: raw(theta[at : at+p.size()])}
		at += p.size()
	}
	return c, nil
}

// Shape is the network's size.
func (c *Codec) Shape() Shape { return c.shape }

// Channels is the number of values in a cell of the grid.
func (c *Codec) Channels() int { return c.shape.Channels }

// Reduction is the width and height of a cell of the grid in pixels.
func (c *Codec) Reduction() int { return Reduction }

// Digest is the hexadecimal SHA-256 of the weights.
func (c *Codec) Digest() string {
	sum := sha256.Sum256(raw(c.theta))
	return hex.EncodeToString(sum[:])
}

// Encode converts a picture to its latent grid [h, w, Channels]. Cells that the picture does not
// fill are completed by repeating its last column and row.
func (c *Codec) Encode(ctx context.Context, p *picture.RGB) (z []float32, w, h int, err error) {
	w, h = cells(p.Width), cells(p.Height)
	g := graph.New()
	x := g.Input("picture", 1, 3, h*Reduction, w*Reduction)
	out := graph.Transpose(encoder(declared(g), x, c.shape), 0, 2, 3, 1)
	z, err = c.run(ctx, g, out, "picture", x.Shape(), planes(p, w*Reduction, h*Reduction))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("encode a picture of %d x %d pixels: %w", p.Width, p.Height, err)
	}
	return z, w, h, nil
}

// Decode converts a latent grid [h, w, Channels] to a picture of the given size in pixels, which
// must have w x h cells.
func (c *Codec) Decode(ctx context.Context, z []float32, w, h, width, height int) (*picture.RGB, error) {
	if len(z) != w*h*c.shape.Channels || cells(width) != w || cells(height) != h {
		return nil, fmt.Errorf("decode %d values of %d x %d cells to %d x %d pixels: the sizes do not agree", len(z), w, h, width, height)
	}
	g := graph.New()
	x := g.Input("latent", 1, h, w, c.shape.Channels)
	out := decoder(declared(g), graph.Transpose(x, 0, 3, 1, 2), c.shape)
	rgb, err := c.run(ctx, g, out, "latent", x.Shape(), z)
	if err != nil {
		return nil, fmt.Errorf("decode to %d x %d pixels: %w", width, height, err)
	}
	return fromPlanes(rgb, w*Reduction, h*Reduction, width, height), nil
}

// run computes one output from one input. Sizes differ from picture to picture, so the model is
// loaded for one run. With one thread the result does not depend on the number of cores.
func (c *Codec) run(ctx context.Context, g *graph.Graph, out *graph.Node, input string, shape []int, data []float32) ([]float32, error) {
	model, err := g.Encode([]graph.Output{{Name: "out", Node: out}}, c.inits)
	if err != nil {
		return nil, err
	}
	session, err := c.engine.Load(model, engine.SessionOptions{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	x, err := engine.NewTensor(shape, data)
	if err != nil {
		return nil, err
	}
	y, err := session.Run(ctx, map[string]*engine.Tensor{input: x}, nil)
	if err != nil {
		return nil, err
	}
	return y["out"].Float32s(), nil
}

// cells is the number of cells that cover n pixels.
func cells(n int) int { return (n + Reduction - 1) / Reduction }

// planes converts a picture to [3, h, w] in [-1,1]. Its last column and row are repeated.
func planes(p *picture.RGB, w, h int) []float32 {
	out := make([]float32, 3*w*h)
	for y := range h {
		row := p.Pix[min(y, p.Height-1)*p.Width*3:]
		for x := range w {
			from := row[min(x, p.Width-1)*3:]
			for c := range 3 {
				out[(c*h+y)*w+x] = float32(from[c])/127.5 - 1
			}
		}
	}
	return out
}

// fromPlanes converts the upper left part of [3, h, w] in [-1,1] to a picture.
func fromPlanes(v []float32, w, h, width, height int) *picture.RGB {
	p := picture.NewRGB(width, height)
	for y := range height {
		for x := range width {
			for c := range 3 {
				p.Pix[(y*width+x)*3+c] = level((v[(c*h+y)*w+x] + 1) * 127.5)
			}
		}
	}
	return p
}

// level rounds and clamps to [0, 255].
func level(v float32) uint8 {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return uint8(v + 0.5)
	}
	return 0 // and NaN
}
