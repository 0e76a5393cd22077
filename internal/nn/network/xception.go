package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// xception is Xception up to block 2, the backbone of the Patch Forensics baseline, which is
// trained end to end. widths are the channels of conv1, conv2, block1 and block2; input is the side
// in pixels.
type xception struct {
	widths [4]int
	input  int
}

// publishedXception is the baseline of the paper.
var publishedXception = xception{[4]int{32, 64, 128, 256}, 224}

func (t xception) arch() string { return ArchXception }
func (t xception) side() int    { return t.input }

// layers: the published decoders read block2's features; block1's can be exported.
func (t xception) layers() []string { return []string{"block1", "block2"} }

func (t xception) features(layer string) Features {
	stem := (t.input-3)/2 + 1 - 2 // conv1 with stride 2, conv2, both without padding
	side := (stem-1)/2 + 1
	if layer == "block1" {
		return Features{Channels: t.widths[2], Height: side, Width: side}
	}
	side = (side-1)/2 + 1
	return Features{Channels: t.widths[3], Height: side, Width: side}
}

// stem gives [N, widths[1], ~side/2, ~side/2]. The names are those of the common PyTorch Xception.
func (t xception) stem(b *builder, x *graph.Node) *graph.Node {
	x = b.conv(x, "conv1", convSpec{out: t.widths[0], kernel: 3, stride: 2, kind: initUniform})
	x = graph.ReLU(b.norm(x, "bn1", initOne))
	x = b.conv(x, "conv2", convSpec{out: t.widths[1], kernel: 3, kind: initUniform})
	return graph.ReLU(b.norm(x, "bn2", initOne))
}

// layer adds a block. For 224 pixels block2 has 28 x 28 positions of 256 channels.
func (t xception) layer(b *builder, x *graph.Node, i int) *graph.Node {
	return b.xceptionBlock(x, t.layers()[i], t.widths[2+i], i > 0, maxPool)
}

// poolFunc halves a map: [N, C, H, W] to [N, C, ceil(H/2), ceil(W/2)].
type poolFunc func(*graph.Node) *graph.Node

func maxPool(x *graph.Node) *graph.Node  { return graph.MaxPool(x, 3, 2, 1) }
func meanPool(x *graph.Node) *graph.Node { return graph.AvgPool(x, 3, 2, 1) }

// xceptionBlock adds two separable convolutions, each with batch norm, a pool (maxPool in
// Xception), and a strided 1x1 convolution in parallel: [N, C, H, W] to [N, out, ceil(H/2),
// ceil(W/2)].
func (b *builder) xceptionBlock(x *graph.Node, name string, out int, startWithReLU bool, pool poolFunc) *graph.Node {
	skip := b.conv(x, name+".skip", convSpec{out: out, kernel: 1, stride: 2, kind: initUniform})
	skip = b.norm(skip, name+".skipbn", initOne)
	at := 0 // position in the block's sequence, which the names count
	if startWithReLU {
		x = graph.ReLU(x)
		at++
	}
	x = b.separable(x, fmt.Sprintf("%s.rep.%d", name, at), out, 1, initUniform)
	x = graph.ReLU(b.norm(x, fmt.Sprintf("%s.rep.%d", name, at+1), initOne))
	x = b.separable(x, fmt.Sprintf("%s.rep.%d", name, at+3), out, 1, initUniform)
	x = b.norm(x, fmt.Sprintf("%s.rep.%d", name, at+4), initOne)
	return graph.Add(pool(x), skip)
}

// separable adds a depthwise 3x3 convolution and a pointwise one, neither with bias.
func (b *builder) separable(x *graph.Node, name string, out, dilation int, kind initKind) *graph.Node {
	x = b.conv(x, name+".conv1", convSpec{kernel: 3, pad: dilation, dilation: dilation, depthwise: true, kind: kind})
	return b.conv(x, name+".pointwise", convSpec{out: out, kernel: 1, kind: kind})
}
