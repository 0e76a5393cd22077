package network

import (
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/graph"
)

// resnet is CLIP's modified residual network: a stem of three convolutions, and average pools where
// other networks use strides. input is the side in pixels.
type resnet struct {
	width  int    // of layer1's inner convolutions
	blocks [4]int // bottlenecks of layer1 to layer4; 0 for layers that were cut off
	input  int
}

// The published sizes.
var resnets = []struct {
	name string
	resnet
}{
	{"RN50", resnet{64, [4]int{3, 4, 6, 3}, 224}},
	{"RN101", resnet{64, [4]int{3, 4, 23, 3}, 224}},
	{"RN50x4", resnet{80, [4]int{4, 6, 10, 6}, 288}},
	{"RN50x16", resnet{96, [4]int{6, 8, 18, 8}, 384}},
	{"RN50x64", resnet{128, [4]int{3, 15, 36, 10}, 448}},
}

// resnetPlaces is a tensor of the pool after the last layer. Only its size is used.
const resnetPlaces = "attnpool.positional_embedding"

// expansion is the ratio of a bottleneck's output width to its inner width.
const expansion = 4

func (r resnet) arch() string { return r.names()[0] }

// names are the published names that fit: several for a network that was cut after layer2 or
// before, where RN50 and RN101 are equal.
func (r resnet) names() []string {
	var names []string
	for _, known := range resnets {
		cut := known.resnet
		copy(cut.blocks[r.stages():], []int{0, 0, 0, 0})
		if r == cut {
			names = append(names, known.name)
		}
	}
	if names == nil {
		names = []string{fmt.Sprintf("RN-%dx%d.%d.%d.%d@%dpx", r.width, r.blocks[0], r.blocks[1], r.blocks[2], r.blocks[3], r.input)}
	}
	return names
}

func (r resnet) side() int { return r.input }

var resnetLayers = []string{"layer1", "layer2", "layer3", "layer4"}

func (r resnet) layers() []string { return resnetLayers[:r.stages()] }

// stages is the number of layers.
func (r resnet) stages() int {
	if i := slices.Index(r.blocks[:], 0); i >= 0 {
		return i
	}
	return len(r.blocks)
}

func (r resnet) features(layer string) Features {
	stage := slices.Index(resnetLayers, layer)
	side := r.input / 4 >> stage
	return Features{Channels: expansion * r.width << stage, Height: side, Width: side}
}

// check returns an error for impossible sizes.
func (r resnet) check() error {
	switch {
	case r.width < 2 || r.width%2 != 0:
		return fmt.Errorf("a residual network of width %d: expected an even number", r.width)
	case r.input < 32 || r.input%32 != 0 || r.input > maxSide:
		return fmt.Errorf("a residual network for %d pixels: expected a multiple of 32 up to %d", r.input, maxSide)
	case r.stages() == 0 || slices.ContainsFunc(r.blocks[r.stages():], func(n int) bool { return n > 0 }):
		return fmt.Errorf("a residual network with %v blocks: expected some in each layer up to the last", r.blocks)
	}
	return nil
}

// stem gives a map [N, width, side/4, side/4].
func (r resnet) stem(b *builder, image *graph.Node) *graph.Node {
	x := b.convNorm(image, "conv1", "bn1", convSpec{out: r.width / 2, kernel: 3, stride: 2, pad: 1, kind: initHe})
	x = b.convNorm(graph.ReLU(x), "conv2", "bn2", convSpec{out: r.width / 2, kernel: 3, pad: 1, kind: initHe})
	x = b.convNorm(graph.ReLU(x), "conv3", "bn3", convSpec{out: r.width, kernel: 3, pad: 1, kind: initHe})
	return graph.AvgPool(graph.ReLU(x), 2, 2, 0)
}

// layer gives a map [N, 4 width 2^i, side/4/2^i, side/4/2^i].
func (r resnet) layer(b *builder, x *graph.Node, i int) *graph.Node {
	for k := range r.blocks[i] {
		stride := 1
		if i > 0 && k == 0 {
			stride = 2
		}
		x = b.bottleneck(x, fmt.Sprintf("%s.%d", r.layers()[i], k), r.width<<i, stride, k == 0)
	}
	return x
}

// bottleneck adds 1x1, 3x3 and 1x1 convolutions next to a shortcut. A stride pools after the
// second convolution and in the shortcut, which has a convolution of its own in the first block of
// a layer.
func (b *builder) bottleneck(x *graph.Node, name string, width, stride int, first bool) *graph.Node {
	pool := func(x *graph.Node) *graph.Node {
		if stride == 1 {
			return x
		}
		return graph.AvgPool(x, stride, stride, 0)
	}
	y := b.convNorm(x, name+".conv1", name+".bn1", convSpec{out: width, kernel: 1, kind: initHe})
	y = b.convNorm(graph.ReLU(y), name+".conv2", name+".bn2", convSpec{out: width, kernel: 3, pad: 1, kind: initHe})
	y = b.convNorm(pool(graph.ReLU(y)), name+".conv3", name+".bn3", convSpec{out: expansion * width, kernel: 1, kind: initHe})
	if first {
		x = b.convNorm(pool(x), name+".downsample.0", name+".downsample.1", convSpec{out: expansion * width, kernel: 1, kind: initHe})
	}
	return graph.ReLU(graph.Add(y, x))
}

// convNorm is a convolution and the batch norm after it.
func (b *builder) convNorm(x *graph.Node, conv, norm string, c convSpec) *graph.Node {
	return b.norm(b.conv(x, conv, c), norm, initOne)
}
