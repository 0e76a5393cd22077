package network

import (
	"fmt"

	"github.com/declip/declip/internal/graph"
)

// xception adds Xception up to block 2, the backbone of the Patch Forensics baseline: [N, 3, H, W] to
// [N, 256, ~H/8, ~W/8] (224 pixels give 28 x 28). Names are those of the usual PyTorch Xception.
func (b *builder) xception(x *graph.Node) *graph.Node {
	x = b.conv(x, "conv1", convSpec{out: 32, kernel: 3, stride: 2, kind: initUniform})
	x = graph.ReLU(b.norm(x, "bn1", initOne))
	x = b.conv(x, "conv2", convSpec{out: 64, kernel: 3, kind: initUniform})
	x = graph.ReLU(b.norm(x, "bn2", initOne))
	x = b.xceptionBlock(x, "block1", 128, false, maxPool)
	return b.xceptionBlock(x, "block2", 256, true, maxPool)
}

// poolFunc halves a map: [N, C, H, W] to [N, C, ceil(H/2), ceil(W/2)].
type poolFunc func(*graph.Node) *graph.Node

func maxPool(x *graph.Node) *graph.Node  { return graph.MaxPool(x, 3, 2, 1) }
func meanPool(x *graph.Node) *graph.Node { return graph.AvgPool(x, 3, 2, 1) }

// xceptionBlock adds two separable convolutions, each with batch norm, a pool (Xception's is maxPool), and a
// strided 1x1 convolution beside them: [N, C, H, W] to [N, out, ceil(H/2), ceil(W/2)].
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
