package network

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/graph"
)

// decoderWidths are the channels of the conv decoder's four stages.
var decoderWidths = [4]int{512, 256, 128, 64}

// linearDecoder adds one logit per position and enlarges the map bicubically: [N, C, h, w] to
// [N, 1, side, side].
func (b *builder) linearDecoder(x *graph.Node, side int) *graph.Node {
	x = b.conv(x, "fc.0", convSpec{out: 1, kernel: 1, bias: true, kind: initNormal})
	return graph.UpsampleBicubic(x, side, side)
}

// convDecoder adds the published conv-K decoder to a CNN's features [N, C, h, w]: four stages of K/4
// convolutions 5x5 with batch norm and ReLU, each stage followed by bilinear x2 upsampling, a last 5x5
// convolution to one channel, and a bilinear resize to [N, 1, side, side]. Names count every layer of the
// sequence, ReLU and upsampling included, as the published files do.
func (b *builder) convDecoder(x *graph.Node, depth, side int) *graph.Node {
	at := 0
	for _, width := range decoderWidths {
		for range depth / 4 {
			x = b.conv(x, fmt.Sprintf("fc.%d", at), convSpec{out: width, kernel: 5, pad: 2, bias: true, kind: initNormal})
			x = graph.ReLU(b.norm(x, fmt.Sprintf("fc.%d", at+1), initNormal))
			at += 3
		}
		h, w := size(x)
		x = graph.UpsampleBilinear(x, 2*h, 2*w)
		at++
	}
	x = b.conv(x, fmt.Sprintf("fc.%d", at), convSpec{out: 1, kernel: 5, pad: 2, bias: true, kind: initNormal})
	if h, w := size(x); h == side && w == side {
		return x
	}
	return graph.UpsampleBilinear(x, side, side)
}

// convDepth parses "conv-K". K must be a positive multiple of 4.
func convDepth(decoder string) (int, error) {
	text, ok := strings.CutPrefix(decoder, "conv-")
	if !ok {
		return 0, fmt.Errorf("%w: decoder %q: expected linear or conv-K", ErrSpec, decoder)
	}
	depth, err := strconv.Atoi(text)
	if err != nil || depth < 4 || depth%4 != 0 || depth > 400 {
		return 0, fmt.Errorf("%w: decoder %q: K must be a multiple of 4", ErrSpec, decoder)
	}
	return depth, nil
}
