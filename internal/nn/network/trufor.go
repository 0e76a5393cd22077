package network

import (
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// truFor is TruFor (Guillaro et al., "TruFor: Leveraging All-Round Clues for Trustworthy Image
// Forgery Detection and Localization", CVPR 2023) by its sizes, which are read from its tensors.
//
// Noiseprint++ turns the picture into its noise. Two MiT towers see the picture and the noise.
// After each stage they exchange what they found, and are fused. Two decoders turn the four fused
// maps into a map of manipulation and a map of confidence; from both, a small network computes the
// picture's score.
type truFor struct {
	layout      layout
	noiseLayers int // convolutions of Noiseprint++ with a batch norm
	noiseWidth  int // their channels
	stages      [mitStages]mitStage
	decoder     int // channels of the decoders
	score       int // channels of the network for the score
}

// Prefixes of the towers' tensors: the picture's, the noise's.
var truForTowers = [2]string{"backbone.", "backbone.extra_"}

// TruForLeast is the smallest side of a picture in pixels: the first stage divides sides by 4, and
// its attention reads 8 x 8 places at a time.
const TruForLeast = 29

// truForMark is a tensor that TruFor has and no other network.
const truForMark = "backbone.FRMs.0.channel_weights.mlp.0.weight"

// Normalisation of the picture for its tower.
var (
	truForMean = []float32{0.485, 0.456, 0.406}
	truForStd  = []float32{0.229, 0.224, 0.225}
)

// recogniseTruFor finds TruFor in a file.
func recogniseTruFor(f *weights.File, _ []*weights.File) (wholeNetwork, error) {
	l, found, err := choose(f, truForMark)
	if !found {
		return nil, err
	}
	return truForSizes(l)
}

// truForSizes reads the sizes from the tensors.
func truForSizes(l layout) (*truFor, error) {
	n := &truFor{layout: l}
	first, err := l.shape("dncnn.0.weight", 4)
	if err != nil {
		return nil, err
	}
	n.noiseWidth = first[0]
	for l.has(fmt.Sprintf("dncnn.%d.running_mean", 3*n.noiseLayers+3)) {
		n.noiseLayers++
	}
	for i := range n.stages {
		if n.stages[i], err = mitSizes(&l, truForTowers[0], i); err != nil {
			return nil, err
		}
	}
	head, err := l.shape("decode_head.linear_fuse.0.weight", 4)
	if err != nil {
		return nil, err
	}
	score, err := l.shape("detection.0.weight", 2)
	if err != nil {
		return nil, err
	}
	n.decoder, n.score = head[0], score[0]
	return n, nil
}

// has says whether the part has a tensor.
func (l *layout) has(name string) bool {
	_, _, ok := l.find(name)
	return ok
}

func (n *truFor) spec() Spec { return Spec{Arch: ArchTruFor, Mode: ModeWhole} }

// build takes PortImage, levels divided by 256. The logits of the map and of the confidence, both
// [1, 1, H/4, W/4], are to be enlarged to the picture's size.
func (n *truFor) build(b *builder, height, width int) []graph.Output {
	out := n.answers(b, b.g.Input(PortImage, 1, 3, height, width))
	return []graph.Output{
		{Name: PortLogits, Node: out.logits}, {Name: PortConfidence, Node: out.confidence}, {Name: PortScore, Node: out.score},
	}
}

// truForAnswers are TruFor's results: logits of the map and of the confidence at a quarter of the
// picture's size and enlarged to it, and the probability of the picture.
type truForAnswers struct {
	logits, confidence, large, largeConfidence, score *graph.Node
}

// answers adds the network for a picture [1, 3, H, W], levels divided by 256.
func (n *truFor) answers(b *builder, image *graph.Node) (out truForAnswers) {
	b.part = &part{layout: &n.layout}
	height, width := size(image)
	noise := b.noiseprint(image, n)
	x := [2]*graph.Node{normalised(image, truForMean, truForStd), graph.Concat(1, noise, noise, noise)}
	var maps [mitStages]*graph.Node
	for i, s := range n.stages {
		for t, tower := range truForTowers {
			x[t] = b.mitStage(x[t], tower, i, s)
		}
		x[0], x[1] = b.exchange(x[0], x[1], fmt.Sprintf("backbone.FRMs.%d", i))
		maps[i] = b.fuse(x, fmt.Sprintf("backbone.FFMs.%d", i), s.heads)
	}
	const classes, headEps = 2, 1e-3 // the batch norm of this decoder only has another eps
	logits := b.allScales(maps, "decode_head", n.decoder, classes, headEps)
	out.logits = graph.Sub(graph.Slice(logits, 1, 1, 2), graph.Slice(logits, 1, 0, 1))
	out.confidence = b.allScales(maps, "decode_head_conf", n.decoder, 1, bnEps)
	out.large = graph.UpsampleBilinear(out.logits, height, width)
	out.largeConfidence = graph.UpsampleBilinear(out.confidence, height, width)
	out.score = b.trustScore(out.large, out.largeConfidence, n.score)
	return out
}

// noiseprint adds Noiseprint++: a picture [N, 3, H, W] to its noise [N, 1, H, W].
func (b *builder) noiseprint(x *graph.Node, n *truFor) *graph.Node {
	layer := convSpec{out: n.noiseWidth, kernel: 3, pad: 1, kind: initHe}
	first, last := layer, layer
	first.bias, last.bias, last.out = true, true, 1
	x = graph.ReLU(b.conv(x, "dncnn.0", first))
	for i := range n.noiseLayers {
		w, _, o := b.kernel(x, fmt.Sprintf("dncnn.%d", 3*i+2), layer)
		norm := graph.NormOf{Eps: bnEps}
		norm.Scale, norm.Shift, norm.Mean, norm.Variance = b.statistics(n.noiseWidth, fmt.Sprintf("dncnn.%d", 3*i+3), initHe)
		x = graph.ConvNorm(x, w, nil, o, norm, nil, true)
	}
	return b.conv(x, fmt.Sprintf("dncnn.%d", 3*n.noiseLayers+2), last)
}

// normalised is (x - mean) / std for the channels of a picture [N, C, H, W].
func normalised(x *graph.Node, mean, std []float32) *graph.Node {
	shape := []int{len(mean), 1, 1}
	return graph.Div(graph.Sub(x, x.Graph().Const(shape, mean)), x.Graph().Const(shape, std))
}

// exchange adds a feature rectification module: each of two maps [N, C, H, W] takes from the other
// what weights by channel and by place let through.
func (b *builder) exchange(first, second *graph.Node, name string) (x, y *graph.Node) {
	c := channels(first)
	both := graph.Concat(1, first, second)
	places := []int{2, 3}
	weights := graph.Concat(1, graph.ReduceMean(both, places, true), graph.ReduceMax(both, places, true))
	weights = graph.ReLU(b.mapLinear(weights, name+".channel_weights.mlp.0", 4*c, true))
	byChannel := graph.Sigmoid(b.mapLinear(weights, name+".channel_weights.mlp.2", 2*c, true))
	spatial := convSpec{out: c, kernel: 1, bias: true, kind: initHe}
	weights = graph.ReLU(b.conv(both, name+".spatial_weights.mlp.0", spatial))
	spatial.out = 2
	byPlace := graph.Sigmoid(b.conv(weights, name+".spatial_weights.mlp.2", spatial))
	// The second half of the weights lets the second map into the first.
	let := func(from *graph.Node, half int) *graph.Node {
		weight := graph.Add(graph.Slice(byChannel, 1, half*c, (half+1)*c), graph.Slice(byPlace, 1, half, half+1))
		return graph.Mul(from, graph.Scale(weight, 0.5))
	}
	return graph.Add(first, let(second, 1)), graph.Add(second, let(first, 0))
}

// fuse adds a feature fusion module: two maps [N, C, H, W] to one of that shape. Each map is
// queried by its own values, with the context of the other.
func (b *builder) fuse(maps [2]*graph.Node, name string, heads int) *graph.Node {
	c := channels(maps[0])
	height, width := size(maps[0])
	cross := name + ".cross."
	var kept, query, context [2]*graph.Node
	for t, x := range maps {
		y := graph.ReLU(b.mapLinear(x, fmt.Sprintf("%schannel_proj%d", cross, t+1), 2*c, true))
		u := graph.Slice(y, 1, c, 2*c)
		kept[t], query[t] = graph.Slice(y, 1, 0, c), splitHeads(u, heads)
		both := b.mapLinear(u, fmt.Sprintf("%scross_attn.kv%d", cross, t+1), 2*c, false)
		key, value := splitHeads(graph.Slice(both, 1, 0, c), heads), splitHeads(graph.Slice(both, 1, c, 2*c), heads)
		products := graph.MatMul(key, graph.Transpose(value, 0, 1, 3, 2))
		// [N, heads, C/heads, C/heads]: the sum over the keys' channels is 1.
		context[t] = graph.Softmax(graph.Scale(products, 1/math.Sqrt(float64(c/heads))), -2)
	}
	var out [2]*graph.Node
	for t, x := range maps {
		y := graph.MatMul(graph.Transpose(context[1-t], 0, 1, 3, 2), query[t])
		y = graph.Concat(1, kept[t], graph.Reshape(y, -1, c, height, width))
		y = graph.Add(x, b.mapLinear(y, fmt.Sprintf("%send_proj%d", cross, t+1), c, true))
		out[t] = toMap(b.layerNormEps(toTokens(y), fmt.Sprintf("%snorm%d", cross, t+1), lnEps), height, width)
	}
	return b.channelEmbedding(graph.Concat(1, out[0], out[1]), name+".channel_emb", c)
}

// channelEmbedding turns a map of 2 c channels into one of c.
func (b *builder) channelEmbedding(x *graph.Node, name string, c int) *graph.Node {
	pointwise := convSpec{out: c, kernel: 1, bias: true, kind: initHe}
	y := b.conv(x, name+".channel_embed.0", pointwise)
	y = b.conv(y, name+".channel_embed.1", convSpec{kernel: 3, pad: 1, depthwise: true, bias: true, kind: initHe})
	y = b.conv(graph.ReLU(y), name+".channel_embed.3", pointwise)
	y = b.norm(y, name+".channel_embed.4", initOne)
	residual := b.conv(x, name+".residual", convSpec{out: c, kernel: 1, kind: initHe})
	return b.norm(graph.Add(residual, y), name+".norm", initOne)
}

// allScales adds a decoder: maps to logits [N, classes, h, w] at the size of the first map. The
// published one enlarges a projection of each map to the first map's size, joins them, and takes a
// convolution of one pixel over all. Enlarging is linear and its weights sum to 1, so the two
// linear layers are joined and applied before it, on the small maps.
func (b *builder) allScales(maps [mitStages]*graph.Node, name string, width, classes int, eps float64) *graph.Node {
	height, wide := size(maps[0])
	fuse := b.param(name+".linear_fuse.0.weight", []int{width, mitStages * width, 1, 1}, initHe, mitStages*width)
	fuse = graph.Reshape(fuse, width, mitStages*width)
	sum := graph.Reshape(b.param(name+".linear_fuse.0.bias", []int{width}, initZero, 0), 1, width, 1, 1)
	for i, x := range maps {
		c, layer := channels(x), fmt.Sprintf("%s.linear_c%d.proj", name, i+1)
		from := (mitStages - 1 - i) * width // the smallest map is the first of the joined ones
		share := graph.Slice(fuse, 1, from, from+width)
		weight := b.param(layer+".weight", []int{width, c}, initUniform, c)
		bias := graph.Reshape(b.param(layer+".bias", []int{width}, initZero, c), width, 1)
		joined := graph.Reshape(graph.MatMul(share, weight), width, c, 1, 1)
		y := graph.Conv(x, joined, graph.Reshape(graph.MatMul(share, bias), width), graph.ConvOptions{})
		sum = graph.Add(sum, graph.UpsampleBilinear(y, height, wide))
	}
	scale, shift, mean, variance := b.statistics(width, name+".linear_fuse.1", initOne)
	x := graph.ReLU(graph.BatchNorm(sum, scale, shift, mean, variance, eps))
	return b.conv(x, name+".linear_pred", convSpec{out: classes, kernel: 1, bias: true, kind: initUniform})
}

// trustScore adds the network for the picture's score [N], from logits [N, 1, H, W] of the map and
// of the confidence. It sees statistics of both, those of the map weighted by the confidence.
func (b *builder) trustScore(logits, confidence *graph.Node, width int) *graph.Node {
	height, wide := size(logits)
	even := confidence.Graph().Const([]int{1, 1, 1, 1}, []float32{float32(-math.Log(float64(height * wide)))})
	weight := graph.Neg(graph.Softplus(graph.Neg(confidence)))
	weight = graph.Sub(weight, graph.LogSumExp(weight, []int{2, 3}))
	x := graph.Concat(1, append(softStatistics(confidence, even), softStatistics(logits, weight)...)...)
	x = graph.ReLU(b.mapLinear(x, "detection.0", width, true))
	return graph.Reshape(graph.Sigmoid(b.mapLinear(x, "detection.3", 1, true)), -1)
}

// softStatistics are a soft minimum, a soft maximum, the mean and the mean square of x [N, 1, H,
// W], each [N, 1, 1, 1]. w are the logarithms of weights that sum to 1.
func softStatistics(x, w *graph.Node) []*graph.Node {
	places := []int{2, 3}
	weighted := graph.Mul(graph.Exp(w), x)
	return []*graph.Node{
		graph.Neg(graph.LogSumExp(graph.Sub(w, x), places)),
		graph.LogSumExp(graph.Add(w, x), places),
		graph.ReduceSum(weighted, places, true),
		graph.ReduceSum(graph.Mul(weighted, x), places, true),
	}
}
