package autoencoder

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/nn/graph"
)

// blocksEach is the number of residual blocks in the encoder, and in the decoder.
const blocksEach = 2

// part is one tensor of weights.
type part struct {
	name  string
	shape []int
	gain  float64 // standard deviation of the first values, times sqrt(fan-in)
}

func (p part) size() int {
	n := 1
	for _, d := range p.shape {
		n *= d
	}
	return n
}

// parts lists the weights in a fixed order.
func (s Shape) parts() []part {
	half := s.half()
	var list []part
	conv := func(name string, out, in, k int, gain float64) {
		list = append(list, part{name + ".weight", []int{out, in, k, k}, gain}, part{name + ".bias", []int{out}, 0})
	}
	residual := func(side string) {
		for i := range blocksEach {
			name := side + ".block" + string(rune('1'+i))
			conv(name+".conv1", s.Width, s.Width, 3, math.Sqrt2)
			conv(name+".conv2", s.Width, s.Width, 3, 0.1) // a block adds almost nothing at first
		}
	}
	// Each side is the sum of a linear map, which is learnt within a hundred steps, and a network.
	conv("encoder.in", s.Width, 3, 2*Reduction, math.Sqrt2)
	residual("encoder")
	conv("encoder.out", s.Channels, s.Width, 3, 0.1)
	conv("encoder.linear", s.Channels, 3, 2*Reduction, 1)
	conv("decoder.in", s.Width, s.Channels, 3, math.Sqrt2)
	residual("decoder")
	conv("decoder.up", 4*half, s.Width, 3, math.Sqrt2)
	conv("decoder.half", half, half, 3, math.Sqrt2)
	conv("decoder.out", 12, half, 3, 0.1)
	conv("decoder.linear", 3*Reduction*Reduction, s.Channels, 3, 1)
	return list
}

// half is the number of the decoder's channels at half a picture's resolution.
func (s Shape) half() int { return max(4, s.Width/2) }

// size is the number of weights.
func (s Shape) size() int {
	n := 0
	for _, p := range s.parts() {
		n += p.size()
	}
	return n
}

// initial draws the initial weights.
func (s Shape) initial(seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0x6c6174656e74))
	theta := make([]float32, 0, s.size())
	for _, p := range s.parts() {
		fan := 1
		for _, d := range p.shape[1:] {
			fan *= d
		}
		for range p.size() {
			theta = append(theta, float32(rng.NormFloat64()*p.gain/math.Sqrt(float64(fan))))
		}
	}
	return theta
}

// weightsOf gives a node for a part's name.
type weightsOf func(p part) *graph.Node

// declared makes the weights parameters of a graph, by name.
func declared(g *graph.Graph) weightsOf {
	return func(p part) *graph.Node { return g.Param(p.name, p.shape...) }
}

// layers adds convolutions by name.
type layers struct {
	parts   map[string]part
	weights weightsOf
}

func newLayers(s Shape, weights weightsOf) layers {
	l := layers{map[string]part{}, weights}
	for _, p := range s.parts() {
		l.parts[p.name] = p
	}
	return l
}

func (l layers) conv(name string, x *graph.Node, o graph.ConvOptions) *graph.Node {
	return graph.Conv(x, l.weights(l.parts[name+".weight"]), l.weights(l.parts[name+".bias"]), o)
}

// same is a 3 x 3 convolution that keeps the size.
func (l layers) same(name string, x *graph.Node) *graph.Node {
	return l.conv(name, x, graph.ConvOptions{Pad: 1})
}

// residual adds the residual blocks of one side.
func (l layers) residual(side string, x *graph.Node) *graph.Node {
	for i := range blocksEach {
		name := side + ".block" + string(rune('1'+i))
		x = graph.Add(x, l.same(name+".conv2", graph.ReLU(l.same(name+".conv1", graph.ReLU(x)))))
	}
	return graph.ReLU(x)
}

// encoder converts pictures [N, 3, H, W] in [-1,1], H and W multiples of Reduction, to latent grids
// [N, Channels, H/4, W/4].
func encoder(weights weightsOf, x *graph.Node, s Shape) *graph.Node {
	l := newLayers(s, weights)
	wide := graph.ConvOptions{Stride: Reduction, Pad: Reduction / 2}
	inner := l.residual("encoder", l.conv("encoder.in", x, wide))
	return graph.Add(l.conv("encoder.linear", x, wide), l.same("encoder.out", inner))
}

// decoder converts latent grids [N, Channels, h, w] to pictures [N, 3, 4h, 4w] in about [-1,1].
func decoder(weights weightsOf, z *graph.Node, s Shape) *graph.Node {
	l := newLayers(s, weights)
	inner := l.residual("decoder", l.same("decoder.in", z))
	inner = graph.ReLU(spread(l.same("decoder.up", inner), 2))
	inner = graph.ReLU(l.same("decoder.half", inner))
	fine := spread(l.same("decoder.out", inner), 2)
	return graph.Add(spread(l.same("decoder.linear", z), Reduction), fine)
}

// spread rearranges k k channels as k x k pixels: [N, C k k, H, W] to [N, C, H k, W k].
func spread(x *graph.Node, k int) *graph.Node {
	n, c, h, w := x.Dim(0), x.Dim(1)/(k*k), x.Dim(2), x.Dim(3)
	x = graph.Transpose(graph.Reshape(x, n, c, k, k, h, w), 0, 1, 4, 2, 5, 3)
	return graph.Reshape(x, n, c, h*k, w*k)
}

// raw is the little-endian form of values.
func raw(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}
