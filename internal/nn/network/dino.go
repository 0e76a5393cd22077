package network

import (
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/graph"
)

// dino is a vision transformer of DINOv2 (Oquab et al., "DINOv2: Learning Robust Visual Features
// without Supervision", 2023) or DINOv3 (Siméoni et al., "DINOv3", 2025), by its sizes. A class
// token and registers precede the patches. DINOv2 adds learnt positions to the patches, DINOv3
// turns queries and keys by angles that depend on the patch (RoPE). The values can be compared.
type dino struct {
	version   int // 2 or 3
	width     int // channels
	patch     int // side of a patch in pixels
	blocks    int
	head      int  // channels of an attention head
	hidden    int  // channels inside the perceptrons
	gated     bool // the perceptrons are SwiGLU
	registers int  // tokens between the class token and the patches
	grid      int  // DINOv2: side of the square of learnt positions
	// placed: the position of DINOv2's class token is added to it already, as timm stores it.
	placed bool
	biases [3]bool // whether queries, keys and values have a bias
	final  bool    // the file has the norm after the last block
	// satellite: the network was trained on pictures with other means and deviations.
	satellite bool
	periods   [mostPeriods]float32 // DINOv3: a quarter of a head's channels, then zeros
	height    int                  // of the input in pixels
	wide      int                  // width of the input in pixels
}

// mostPeriods are those of heads of 128 channels.
const mostPeriods = 32

// dinoInput is the side in pixels of DINOv3's input unless another is asked for. The network takes
// any size.
const dinoInput = 512

// What the layer norms add to the variance.
const (
	dino2Eps = 1e-6
	dino3Eps = 1e-5
)

// Statistics that normalise DINO's pictures. The second are those of satellite pictures.
var (
	imageNetMean  = [3]float32{0.485, 0.456, 0.406}
	imageNetStd   = [3]float32{0.229, 0.224, 0.225}
	satelliteMean = [3]float32{0.430, 0.411, 0.296}
	satelliteStd  = [3]float32{0.213, 0.156, 0.143}
)

// dinoNames are the published sizes. A file that was cut after a block keeps its name: no two have
// equal blocks.
var dinoNames = []struct {
	name                                         string
	version, width, patch, blocks, hidden, frame int
	gated                                        bool
}{
	{"dinov2-vits14", 2, 384, 14, 12, 1536, 37, false},
	{"dinov2-vitb14", 2, 768, 14, 12, 3072, 37, false},
	{"dinov2-vitl14", 2, 1024, 14, 24, 4096, 37, false},
	{"dinov2-vitg14", 2, 1536, 14, 40, 4096, 37, true},
	{"dinov3-vits16", 3, 384, 16, 12, 1536, 0, false},
	{"dinov3-vits16plus", 3, 384, 16, 12, 1536, 0, true},
	{"dinov3-vitb16", 3, 768, 16, 12, 3072, 0, false},
	{"dinov3-vitl16", 3, 1024, 16, 24, 4096, 0, false},
	{"dinov3-vitl16plus", 3, 1024, 16, 24, 4096, 0, true},
	{"dinov3-vith16plus", 3, 1280, 16, 32, 5120, 0, true},
	{"dinov3-vit7b16", 3, 4096, 16, 40, 8192, 0, true},
}

// dinoRegisters is the number of registers in published files that have them.
const dinoRegisters = 4

func (d dino) arch() string {
	for _, k := range dinoNames {
		same := d.version == k.version && d.width == k.width && d.patch == k.patch && d.hidden == k.hidden &&
			d.gated == k.gated && d.grid == k.frame && d.blocks <= k.blocks
		switch {
		case !same:
		case d.version == 3 && d.registers == dinoRegisters, d.version == 2 && d.registers == 0:
			return k.name
		case d.version == 2 && d.registers == dinoRegisters:
			return k.name + "-reg"
		}
	}
	name := fmt.Sprintf("dinov%d-%dx%d/%d", d.version, d.width, d.blocks, d.patch)
	if d.gated {
		name += "-swiglu"
	}
	if d.registers > 0 {
		name += fmt.Sprintf("-reg%d", d.registers)
	}
	if d.version == 2 {
		name += fmt.Sprintf("@%dpx", d.grid*d.patch)
	}
	return name
}

func (d dino) side() int { return d.height }

// rows and columns are the numbers of patches.
func (d dino) rows() int    { return d.height / d.patch }
func (d dino) columns() int { return d.wide / d.patch }

// before is the number of tokens before the patches'.
func (d dino) before() int { return 1 + d.registers }

func (d dino) tokens() int { return d.before() + d.rows()*d.columns() }

// layers are the outputs of the blocks, without the final norm; see normedSuffix.
func (d dino) layers() []string { return blockNames(d.blocks) }

func (d dino) features(string) Features {
	return Features{Channels: d.width, Height: d.rows(), Width: d.columns(), Tokens: true, Registers: d.registers}
}

// sized is the network for pictures of another size. Patches that would stick out on the right and
// below are left out, as the published code does.
func (d dino) sized(height, width int) (dino, error) {
	d.height, d.wide = height, width
	if d.rows() < 1 || d.columns() < 1 || height > maxSide || width > maxSide {
		return d, fmt.Errorf("%w: %s takes pictures of %d to %d pixels, got %d x %d", ErrSpec, d.arch(), d.patch, maxSide, width, height)
	}
	return d, nil
}

func (d dino) eps() float64 {
	if d.version == 2 {
		return dino2Eps
	}
	return dino3Eps
}

// statistics normalise the pictures that the network was trained on.
func (d dino) statistics() (mean, std [3]float32) {
	if d.satellite {
		return satelliteMean, satelliteStd
	}
	return imageNetMean, imageNetStd
}

// stem gives tokens [N, 1 + registers + patches, width].
func (d dino) stem(b *builder, image *graph.Node) *graph.Node {
	image = renormalised(image, d)
	patches := d.rows() * d.columns()
	x := b.conv(image, "patch_embed.proj", convSpec{out: d.width, kernel: d.patch, stride: d.patch, bias: true, kind: initHe})
	x = graph.Transpose(graph.Reshape(x, -1, d.width, patches), 0, 2, 1)
	first := graph.Reshape(b.param("cls_token", []int{1, 1, d.width}, initNormal, 0), 1, d.width)
	var places *graph.Node
	if d.version == 2 {
		var class *graph.Node
		if class, places = d.places(b); class != nil {
			first = graph.Add(first, class)
		}
	}
	if d.registers > 0 {
		registers := b.param("register_tokens", []int{1, d.registers, d.width}, initNormal, 0)
		first = graph.Concat(0, first, graph.Reshape(registers, d.registers, d.width))
	}
	// The first tokens and the positions are added to the rows that padding makes and to the
	// others.
	if places == nil {
		first = graph.Pad(first, []int{0, 0}, []int{patches, 0})
	} else {
		first = graph.Concat(0, first, places)
	}
	return graph.Add(graph.Pad(x, []int{0, d.before(), 0}, []int{0, 0, 0}), first)
}

// renormalised turns a picture that is normalised by Mean and Std into one that is normalised as
// the network expects.
func renormalised(image *graph.Node, d dino) *graph.Node {
	mean, std := d.statistics()
	var by, plus [3]float32
	for c := range by {
		by[c] = Std[c] / std[c]
		plus[c] = (Mean[c] - mean[c]) / std[c]
	}
	g, shape := image.Graph(), []int{1, 3, 1, 1}
	return graph.Add(graph.Mul(image, g.Const(shape, by[:])), g.Const(shape, plus[:]))
}

// places are DINOv2's positions for the class token [1, width], nil if they are added to it
// already, and for the patches [rows columns, width]. The learnt square is resized to other grids
// as Meta's code does: with registers antialiased, else by factors that are a tenth of a patch too
// large.
func (d dino) places(b *builder) (class, patches *graph.Node) {
	learnt, first := d.grid*d.grid, 0
	if !d.placed {
		first = 1
	}
	all := graph.Reshape(b.param("pos_embed", []int{1, first + learnt, d.width}, initNormal, 0), first+learnt, d.width)
	patches = all
	if first > 0 {
		class, patches = graph.Slice(all, 0, 0, 1), graph.Slice(all, 0, 1, 1+learnt)
	}
	rows, columns := d.rows(), d.columns()
	if rows*columns == learnt && d.height == d.wide {
		return class, patches
	}
	x := graph.Reshape(graph.Transpose(patches, 1, 0), 1, d.width, d.grid, d.grid)
	if d.registers > 0 {
		x = graph.BicubicAntialiased(x, rows, columns)
	} else {
		const offset = 0.1
		side := float64(d.grid)
		x = graph.BicubicScaled(x, rows, columns, (float64(rows)+offset)/side, (float64(columns)+offset)/side)
	}
	return class, graph.Transpose(graph.Reshape(x, d.width, rows*columns), 1, 0)
}

// layer is a block: tokens to tokens.
func (d dino) layer(b *builder, x *graph.Node, i int) *graph.Node {
	name, tokens := fmt.Sprintf("blocks.%d", i), d.tokens()
	x = graph.Reshape(x, -1, d.width)
	scaled := func(y *graph.Node, which string) *graph.Node {
		return graph.Mul(y, b.param(name+"."+which+".gamma", []int{d.width}, initOne, 0))
	}
	y := d.attention(b, b.layerNormEps(x, name+".norm1", d.eps()), name+".attn")
	x = graph.Add(x, scaled(y, "ls1"))
	y = b.channelsFirst(b.layerNormEps(x, name+".norm2", d.eps()), tokens)
	y = b.channelsLast(d.perceptron(b, y, name+".mlp"))
	x = graph.Add(x, scaled(y, "ls2"))
	return graph.Reshape(x, -1, tokens, d.width)
}

// perceptron takes and gives the form of channelsFirst.
func (d dino) perceptron(b *builder, x *graph.Node, name string) *graph.Node {
	if !d.gated {
		x = graph.GELU(b.adapted(x, name+".fc1", d.width, d.hidden, true))
		return b.adapted(x, name+".fc2", d.hidden, d.width, true)
	}
	gate := graph.SiLU(b.adapted(x, name+".w1", d.width, d.hidden, true))
	x = graph.Mul(gate, b.adapted(x, name+".w2", d.width, d.hidden, true))
	return b.adapted(x, name+".w3", d.hidden, d.width, true)
}

// attention is multi-head self-attention over rows [N tokens, width].
func (d dino) attention(b *builder, x *graph.Node, name string) *graph.Node {
	heads, tokens := d.width/d.head, d.tokens()
	x = b.channelsFirst(x, tokens)
	var parts [3]*graph.Node
	for i, which := range []string{"q", "k", "v"} {
		y := b.channelsLast(b.adapted(x, name+"."+which+"_proj", d.width, d.width, d.biases[i]))
		parts[i] = graph.Reshape(y, -1, tokens, heads, d.head)
	}
	scale := 1 / math.Sqrt(float64(d.head))
	query, key := parts[0], parts[1]
	if d.version == 3 {
		query, key = d.turned(b, query, scale), d.turned(b, key, 1)
	} else {
		query = graph.Scale(query, scale)
	}
	scores := graph.MatMul(graph.Transpose(query, 0, 2, 1, 3), graph.Transpose(key, 0, 2, 3, 1))
	mixed := graph.MatMul(graph.Softmax(scores, -1), graph.Transpose(parts[2], 0, 2, 1, 3))
	mixed = graph.Reshape(graph.Transpose(mixed, 0, 2, 1, 3), -1, d.width)
	return b.channelsLast(b.adapted(b.channelsFirst(mixed, tokens), name+".proj", d.width, d.width, true))
}

// turned turns the patches' queries or keys [N, tokens, heads, head] by the angles of their places
// and scales all: x cos + rotated(x) sin, where the rotation exchanges the halves of a head and
// negates the second.
func (d dino) turned(b *builder, x *graph.Node, scale float64) *graph.Node {
	half := d.head / 2
	cos, sin := b.tables(fmt.Sprintf("angles of %v at %g", d, scale), func() (cos, sin *graph.Node) { return d.angles(b.g, scale) })
	exchanged := graph.Concat(3, graph.Slice(x, 3, half, d.head), graph.Slice(x, 3, 0, half))
	return graph.Add(graph.Mul(x, cos), graph.Mul(exchanged, sin))
}

// angles are the cosines and the signed sines [tokens, 1, head] for turned. The tokens before the
// patches are not turned.
func (d dino) angles(g *graph.Graph, scale float64) (cos, sin *graph.Node) {
	half, quarter := d.head/2, d.head/4
	c, s := make([]float32, d.tokens()*d.head), make([]float32, d.tokens()*d.head)
	for i := range d.before() * d.head {
		c[i] = float32(scale)
	}
	place := func(i, n int) float64 { return 2*(float64(i)+0.5)/float64(n) - 1 }
	for p := range d.rows() * d.columns() {
		at := (d.before() + p) * d.head
		y, x := place(p/d.columns(), d.rows()), place(p%d.columns(), d.columns())
		for k := range half {
			along := y
			if k >= quarter {
				along = x
			}
			angle := 2 * math.Pi * along / float64(d.periods[k%quarter])
			cosine, sine := float32(scale*math.Cos(angle)), float32(scale*math.Sin(angle))
			c[at+k], c[at+half+k] = cosine, cosine
			s[at+k], s[at+half+k] = -sine, sine
		}
	}
	shape := []int{d.tokens(), 1, d.head}
	return g.Const(shape, c), g.Const(shape, s)
}

// normed adds the norm that follows the last block, for tokens [N, tokens, width].
func (d dino) normed(b *builder, x *graph.Node) *graph.Node {
	return b.layerNormEps(x, "norm", d.eps())
}
