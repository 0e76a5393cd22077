package graph

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// golden contains PyTorch's results; see tools/golden/graph.py.
type golden struct {
	Rate, Decay float64
	Step        int
	Tensors     map[string]struct {
		Shape []int
		Data  string // base64 of little-endian float32
	}
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g golden) array(t *testing.T, key string) array {
	t.Helper()
	entry, ok := g.Tensors[key]
	if !ok {
		t.Fatalf("no golden tensor %q", key)
	}
	raw, err := base64.StdEncoding.DecodeString(entry.Data)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]float32, len(raw)/4)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return array{entry.Shape, data}
}

// composite is a network under test: it returns its output and the running
// statistics' new values by name.
type composite func(x *Node, param func(string) *Node) (y *Node, updates map[string]*Node)

func xceptionBlock(x *Node, param func(string) *Node) (*Node, map[string]*Node) {
	updates := map[string]*Node{}
	norm := func(x *Node, name string) *Node { return trainNorm(x, name, param, updates) }
	separable := func(x *Node, i string) *Node {
		x = Conv(x, param("depth"+i+".weight"), nil, ConvOptions{Pad: 1, Groups: x.Dim(1)})
		return norm(Conv(x, param("point"+i+".weight"), nil, ConvOptions{}), "bn"+i)
	}
	y := separable(ReLU(separable(ReLU(x), "1")), "2")
	skip := norm(Conv(x, param("skip.weight"), nil, ConvOptions{Stride: 2}), "skipbn")
	return Add(MaxPool(y, 3, 2, 1), skip), updates
}

func trainNorm(x *Node, name string, param func(string) *Node, updates map[string]*Node) *Node {
	y, mean, variance := BatchNormTrain(x, param(name+".weight"), param(name+".bias"),
		param(name+".running_mean"), param(name+".running_var"), 1e-5, 0.1)
	updates[name+".running_mean"], updates[name+".running_var"] = mean, variance
	return y
}

func vitBlock(x *Node, param func(string) *Node) (*Node, map[string]*Node) {
	const heads = 2
	n, tokens, width := x.Dim(0), x.Dim(1), x.Dim(2)
	layer := func(x *Node, name string) *Node {
		return LayerNorm(x, param(name+".weight"), param(name+".bias"), 1e-5)
	}
	qkv := Linear(layer(x, "ln_1"), param("attn.in_proj_weight"), param("attn.in_proj_bias"))
	part := func(i int) *Node { // [n, heads, tokens, width/heads]
		return Transpose(Reshape(Slice(qkv, 2, i*width, (i+1)*width), n, tokens, heads, width/heads), 0, 2, 1, 3)
	}
	mask := make([]float32, tokens*tokens)
	for i := range tokens {
		for j := i + 1; j < tokens; j++ {
			mask[i*tokens+j] = float32(math.Inf(-1))
		}
	}
	scores := Scale(MatMul(part(0), swapLast(part(1))), 1/math.Sqrt(float64(width/heads)))
	attention := Softmax(Add(scores, x.Graph().Const([]int{tokens, tokens}, mask)), -1)
	mixed := Reshape(Transpose(MatMul(attention, part(2)), 0, 2, 1, 3), n, tokens, width)
	x = Add(x, Linear(mixed, param("attn.out_proj.weight"), param("attn.out_proj.bias")))
	hidden := QuickGELU(Linear(layer(x, "ln_2"), param("c_fc.weight"), param("c_fc.bias")))
	return Add(x, Linear(hidden, param("c_proj.weight"), param("c_proj.bias"))), nil
}

func convDecoder(x *Node, param func(string) *Node) (*Node, map[string]*Node) {
	updates := map[string]*Node{}
	convolve := func(x *Node, name string) *Node {
		return Conv(x, param(name+".weight"), param(name+".bias"), ConvOptions{Pad: 2})
	}
	for _, i := range []string{"1", "2"} {
		x = ReLU(trainNorm(convolve(x, "conv"+i), "bn"+i, param, updates))
		x = UpsampleBilinear(x, 2*x.Dim(2), 2*x.Dim(3))
	}
	return UpsampleBilinear(convolve(x, "last"), 23, 17), updates
}

func TestComposites(t *testing.T) {
	weighted := func(y, w *Node) *Node { return Reshape(ReduceMean(Mul(y, w), nil, false), 1) }
	for _, test := range []struct {
		name  string
		build composite
		loss  func(y, weights *Node) *Node
	}{
		{"xception", xceptionBlock, weighted},
		{"vit", vitBlock, weighted},
		{"decoder", convDecoder, BCEWithLogits},
	} {
		t.Run(test.name, func(t *testing.T) { checkComposite(t, readGolden(t, test.name), test.build, test.loss) })
	}
}

// checkComposite compares a complete training graph with PyTorch: output, loss, all gradients,
// running statistics and AdamW's step.
func checkComposite(t *testing.T, want golden, build composite, lossOf func(y, weights *Node) *Node) {
	g := New()
	feeds := map[string]array{}
	input := func(name string) *Node {
		feeds[name] = want.array(t, name)
		return g.Input(name, feeds[name].shape...)
	}
	var names []string
	var params []*Node
	param := func(name string) *Node {
		feeds[name] = want.array(t, "param."+name)
		n := g.Param(name, feeds[name].shape...)
		if !strings.Contains(name, ".running_") {
			names, params = append(names, name), append(params, n)
		}
		return n
	}
	x := input("x")
	y, updates := build(x, param)
	loss := lossOf(y, input("weights"))
	outputs := []Output{{"out.y", y}, {"out.loss", loss}}
	for name, n := range updates {
		outputs = append(outputs, Output{"out.new." + name, n})
	}
	grads := Gradients(loss, append([]*Node{x}, params...))
	outputs = append(outputs, Output{"out.dx", grads[0]})
	// As in the generator.
	o := AdamWOptions{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: want.Decay}
	rate := g.Input("rate", 1)
	step := AdamWStep{rate, g.Input("correction1", 1), g.Input("correction2", 1)}
	c1, c2 := o.Corrections(want.Step)
	feeds["rate"], feeds["correction1"], feeds["correction2"] =
		array{[]int{1}, []float32{float32(want.Rate)}}, array{[]int{1}, []float32{c1}}, array{[]int{1}, []float32{c2}}
	for i, name := range names {
		d := grads[i+1]
		p, m, v := AdamW(params[i], d, input("m."+name), input("v."+name), step, o)
		outputs = append(outputs, Output{"out.grad." + name, d}, Output{"out.adamw." + name, p},
			Output{"out.newm." + name, m}, Output{"out.newv." + name, v})
	}
	for key, a := range load(t, outputs).run(t, feeds) {
		key = strings.TrimPrefix(key, "out.")
		expected := want.array(t, key)
		wide := make([]float64, len(expected.data))
		for i, v := range expected.data {
			wide[i] = float64(v)
		}
		// 1e-5 of the tensor's largest value: float32 against float64.
		compare(t, key, a, wide, 1e-5)
	}
}
