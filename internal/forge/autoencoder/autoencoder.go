// Package autoencoder holds a small convolutional autoencoder: an encoder that takes a picture to a grid of latent
// values a quarter of its size, and a decoder that takes these back to a picture. It is trained here, from photographs,
// in minutes. Generators by latent diffusion work on such a grid, so that whatever they change, all of the picture that
// comes out was made by their decoder.
package autoencoder

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/picture"
)

// Reduction is how many pixels wide and high a cell of the latent grid is.
const Reduction = 4

// Shape is the size of a network.
type Shape struct {
	Channels int `json:"channels"` // values in a cell of the latent grid
	Width    int `json:"width"`    // channels of the layers between, at the grid's resolution
}

// DefaultShape keeps a sixth of a picture's 48 values a cell.
var DefaultShape = Shape{Channels: 8, Width: 64}

func (s Shape) check() error {
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

// newCodec takes theta, all weights one after the other in the order of Shape.parts, without copying it.
func newCodec(e *engine.Engine, shape Shape, theta []float32) (*Codec, error) {
	if err := shape.check(); err != nil {
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

// Reduction is how many pixels wide and high a cell of the grid is.
func (c *Codec) Reduction() int { return Reduction }

// Digest tells one autoencoder from another: the SHA-256 of its weights, in hexadecimal.
func (c *Codec) Digest() string {
	sum := sha256.Sum256(raw(c.theta))
	return hex.EncodeToString(sum[:])
}

// Encode takes a picture to its latent grid: h rows of w cells of Channels values each, row by row. What is missing
// to whole cells at the right and below is the picture's last column and row, repeated.
func (c *Codec) Encode(p *picture.RGB) (z []float32, w, h int, err error) {
	w, h = cells(p.Width), cells(p.Height)
	g := graph.New()
	x := g.Input("picture", 1, 3, h*Reduction, w*Reduction)
	out := graph.Transpose(encoder(declared(g), x, c.shape), 0, 2, 3, 1)
	z, err = c.run(g, out, "picture", x.Shape(), planes(p, w*Reduction, h*Reduction))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("encode a picture of %d x %d pixels: %w", p.Width, p.Height, err)
	}
	return z, w, h, nil
}

// Decode takes a latent grid of w x h cells, as Encode gives it, to a picture of the given size in pixels, which
// must be the one that was encoded or at least have as many cells.
func (c *Codec) Decode(z []float32, w, h, width, height int) (*picture.RGB, error) {
	if len(z) != w*h*c.shape.Channels || cells(width) != w || cells(height) != h {
		return nil, fmt.Errorf("decode %d values of %d x %d cells to %d x %d pixels: the sizes do not agree", len(z), w, h, width, height)
	}
	g := graph.New()
	x := g.Input("latent", 1, h, w, c.shape.Channels)
	out := decoder(declared(g), graph.Transpose(x, 0, 3, 1, 2), c.shape)
	rgb, err := c.run(g, out, "latent", x.Shape(), z)
	if err != nil {
		return nil, fmt.Errorf("decode to %d x %d pixels: %w", width, height, err)
	}
	return fromPlanes(rgb, w*Reduction, h*Reduction, width, height), nil
}

// run computes one output from one input. Sizes differ from picture to picture, so the model lives for one run; with one
// thread the result does not depend on the machine's number of cores.
func (c *Codec) run(g *graph.Graph, out *graph.Node, input string, shape []int, data []float32) ([]float32, error) {
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
	y, err := session.Run(nil, map[string]*engine.Tensor{input: x}, nil) //nolint:staticcheck // a nil context never ends
	if err != nil {
		return nil, err
	}
	return y["out"].Float32s(), nil
}

// cells is how many cells cover so many pixels.
func cells(pixels int) int { return (pixels + Reduction - 1) / Reduction }

// planes brings a picture to [3, h, w] in [-1,1], continued to the right and below by its last pixels.
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

// fromPlanes is the upper left part of [3, h, w] in [-1,1] as a picture.
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

func level(v float32) uint8 {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return uint8(v + 0.5)
	}
	return 0 // and NaN
}
