package network

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/nn/graph"
)

// Batch norm's constants are PyTorch's defaults.
const (
	bnEps      = 1e-5
	bnMomentum = 0.1
)

// initKind says how a parameter is initialized.
type initKind int

const (
	initZero    initKind = iota
	initOne              // batch norm scales and running variances
	initUniform          // uniform within 1/sqrt(fan-in): PyTorch's default for layers
	initHe               // normal with variance 2/fan-in, for layers followed by ReLU
	initHeOut            // the same with the fan-out
	initNormal           // N(0, 0.02): weights of the published decoders, including batch norm scales
	initXavier           // uniform within sqrt(6/fanIn), fanIn being fan-in + fan-out
)

// declared is a parameter that a network requested while it was built.
type declared struct {
	name      string
	shape     []int
	kind      initKind
	fanIn     int
	trainable bool
	backbone  bool
	part      *part // that the parameter belongs to; nil if there is only one
	as        []int // the shape in the graph, if it differs from the stored one
}

// part is a part of a network whose parameters are in a file of their own, or under a prefix.
type part struct {
	*layout
	scope string // precedes the parameters' names in the graph, so that parts don't share names
}

// part is what the builder needs of a layout; nil for a network whose parameters are in memory.
func (l *layout) part(scope string) *part {
	if l.file == nil {
		return nil
	}
	return &part{l, scope}
}

// graphName is the parameter's name in the graph.
func (d declared) graphName() string {
	if d.part == nil {
		return d.name
	}
	return d.part.scope + d.name
}

// initial draws the parameter's initial values. The generator of each tensor depends on the seed
// and the tensor's name only, so that adding a layer does not change the others' weights.
func (d declared) initial(seed uint64) Param {
	h := fnv.New64a()
	h.Write([]byte(d.name))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	size := 1
	for _, s := range d.shape {
		size *= s
	}
	data := make([]float32, size)
	fan := math.Max(1, float64(d.fanIn))
	for i := range data {
		switch d.kind {
		case initOne:
			data[i] = 1
		case initUniform:
			data[i] = float32((2*rng.Float64() - 1) / math.Sqrt(fan))
		case initHe, initHeOut:
			data[i] = float32(rng.NormFloat64() * math.Sqrt(2/fan))
		case initNormal:
			data[i] = float32(rng.NormFloat64() * 0.02)
		case initXavier:
			data[i] = float32((2*rng.Float64() - 1) * math.Sqrt(6/fan))
		}
	}
	return Param{Name: d.name, Shape: d.shape, Data: data, Trainable: d.trainable, Backbone: d.backbone}
}

// builder adds layers to a graph and records the parameters they need.
type builder struct {
	g          *graph.Graph
	train      bool
	inBackbone bool // added layers belong to the backbone
	frozen     bool // added layers are not trained
	updates    map[string]*graph.Node
	nodes      map[string]*graph.Node
	declared   []declared
	part       *part // that is being built; nil if there is only one
	form       Form
	added      *part // the adapters of part that are in another file; nil before they are requested
	lora       *LoRA // adapters in memory, which are trained next to frozen layers; nil without any
	// made are nodes that several layers share, by name; see once and tables.
	made map[string]*graph.Node
	// stacked makes the three projections of attention one parameter, as PyTorch stores them;
	// otherwise they are three. Files may have either form.
	stacked bool
}

func newBuilder(g *graph.Graph, train bool) *builder {
	return &builder{g: g, train: train, updates: map[string]*graph.Node{}, nodes: map[string]*graph.Node{}, made: map[string]*graph.Node{}}
}

// once returns the node of that name, and makes it at the first call.
func (b *builder) once(name string, build func() *graph.Node) *graph.Node {
	if b.made[name] == nil {
		b.made[name] = build()
	}
	return b.made[name]
}

// tables is once for two nodes.
func (b *builder) tables(name string, build func() (x, y *graph.Node)) (x, y *graph.Node) {
	if b.made[name+" x"] == nil {
		b.made[name+" x"], b.made[name+" y"] = build()
	}
	return b.made[name+" x"], b.made[name+" y"]
}

// declare lists the parameters of a spec by building the network once at a small size.
func declare(spec Spec) ([]declared, error) {
	side := 64
	if spec.Mode == ModeResize {
		side = spec.Input
	}
	b := newBuilder(graph.New(), false)
	var inputs []*graph.Node
	for _, port := range spec.Inputs() {
		inputs = append(inputs, b.g.Input(port, append([]int{graph.Open}, portShape(port, side, side)...)...))
	}
	b.batch(spec, inputs)
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", spec, err)
	}
	return b.declared, nil
}

// param returns a trainable parameter. fanIn matters for some kinds of initial values only.
func (b *builder) param(name string, shape []int, kind initKind, fanIn int) *graph.Node {
	return b.declare(declared{name: name, shape: shape, kind: kind, fanIn: fanIn, trainable: true})
}

func (b *builder) declare(d declared) *graph.Node {
	d.part = b.part
	name := d.graphName()
	if node, ok := b.nodes[name]; ok {
		return node
	}
	d.backbone, d.trainable = b.inBackbone, d.trainable && !b.frozen
	shape := d.shape
	if d.as != nil {
		shape = d.as
	}
	node := b.g.Param(name, shape...)
	b.nodes[name] = node
	b.declared = append(b.declared, d)
	return node
}

// convSpec describes a convolution layer without its input.
type convSpec struct {
	out, kernel, stride, pad, dilation int
	depthwise, bias                    bool
	zeroBias                           bool // the bias is zero at first
	kind                               initKind
}

// conv adds a convolution named NAME.weight (and NAME.bias): [N, C, H, W] -> [N, out, H', W'].
func (b *builder) conv(x *graph.Node, name string, c convSpec) *graph.Node {
	w, bias, o := b.kernel(x, name, c)
	return graph.Conv(x, w, bias, o)
}

// kernel returns the arguments of graph.Conv for conv; bias is nil without one.
func (b *builder) kernel(x *graph.Node, name string, c convSpec) (w, bias *graph.Node, o graph.ConvOptions) {
	in, groups := channels(x), 1
	if c.depthwise {
		c.out, groups, in = in, in, 1
	}
	stride, dilation := max(c.stride, 1), max(c.dilation, 1)
	fan := in * c.kernel * c.kernel
	if c.kind == initHeOut {
		fan = c.out * c.kernel * c.kernel
	}
	w = b.param(name+".weight", []int{c.out, in, c.kernel, c.kernel}, c.kind, fan)
	if c.bias {
		kind := initUniform
		if c.zeroBias {
			kind = initZero
		}
		bias = b.param(name+".bias", []int{c.out}, kind, fan)
	}
	return w, bias, graph.ConvOptions{Stride: stride, Pad: c.pad, Dilation: dilation, Groups: groups}
}

// convNormReLU adds a convolution with a bias, a batch norm whose scale is initialized like the
// kernel, and a ReLU.
func (b *builder) convNormReLU(x *graph.Node, name string, c convSpec, norm string) *graph.Node {
	if b.train && !b.frozen {
		return graph.ReLU(b.norm(b.conv(x, name, c), norm, c.kind))
	}
	w, bias, o := b.kernel(x, name, c)
	scale, shift, mean, variance := b.statistics(c.out, norm, c.kind)
	return graph.ConvNormReLU(x, w, bias, o, scale, shift, mean, variance, bnEps)
}

// norm adds a batch norm named NAME.{weight,bias,running_mean,running_var}.
func (b *builder) norm(x *graph.Node, name string, scale initKind) *graph.Node {
	w, bias, mean, variance := b.statistics(channels(x), name, scale)
	if !b.train || b.frozen {
		return graph.BatchNorm(x, w, bias, mean, variance, bnEps)
	}
	y, newMean, newVar := graph.BatchNormTrain(x, w, bias, mean, variance, bnEps, bnMomentum)
	scope := ""
	if b.part != nil {
		scope = b.part.scope
	}
	b.updates[scope+name+".running_mean"], b.updates[scope+name+".running_var"] = newMean, newVar
	return y
}

// statistics declares the parameters of norm for c channels.
func (b *builder) statistics(c int, name string, kind initKind) (scale, shift, mean, variance *graph.Node) {
	shape := []int{c}
	scale = b.param(name+".weight", shape, kind, 0)
	shift = b.param(name+".bias", shape, initZero, 0)
	mean = b.declare(declared{name: name + ".running_mean", shape: shape, kind: initZero})
	variance = b.declare(declared{name: name + ".running_var", shape: shape, kind: initOne})
	return scale, shift, mean, variance
}

// channels is dimension 1 of x; 1 for a node that an earlier error made invalid.
func channels(x *graph.Node) int {
	if s := x.Shape(); len(s) > 1 {
		return s[1]
	}
	return 1
}

// size is the height and width of x; 1, 1 for a node that an earlier error made invalid.
func size(x *graph.Node) (height, width int) {
	if s := x.Shape(); len(s) == 4 {
		return s[2], s[3]
	}
	return 1, 1
}
