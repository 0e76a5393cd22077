package networktest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/nn/weights"
)

// Rule says how a tensor is made: Offset + Scale u, where u in [-1, 1) depends only on the tensor's
// name and the element's index. tools/golden/network.py has the same rule.
type Rule struct {
	Name          string
	Shape         []int
	Scale, Offset float64
}

// UnmarshalJSON reads [name, shape, scale, offset].
func (r *Rule) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.Name, &r.Shape, &r.Scale, &r.Offset})
}

// Tensor makes the tensor.
func (r Rule) Tensor() weights.Tensor {
	n := 1
	for _, d := range r.Shape {
		n *= d
	}
	return weights.FromFloat32s(r.Name, r.Shape, Uniform(r.Name, n, r.Scale, r.Offset))
}

// Uniform gives n values offset + scale u, u in [-1, 1) from the splitmix64 of the name's FNV-1a
// hash plus i + 1 steps.
func Uniform(name string, n int, scale, offset float64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	seed := h.Sum64()
	values := make([]float32, n)
	for i := range values {
		z := seed + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		values[i] = float32(offset + float64(scale*(float64(z>>40)/(1<<23)-1)))
	}
	return values
}

// Tensors makes the tensors of all rules.
func Tensors(rules []Rule) []weights.Tensor {
	list := make([]weights.Tensor, len(rules))
	for i, r := range rules {
		list[i] = r.Tensor()
	}
	return list
}

// Store writes tensors to a temporary file and opens it until the test ends.
func Store(t testing.TB, tensors []weights.Tensor, metadata map[string]string) *weights.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := weights.Write(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Published is the metadata of a published checkpoint.
func Published(layer, decoder string) map[string]string {
	return map[string]string{"feature_layer": layer, "decoder_type": decoder}
}

// Layer is a linear layer or convolution whose output is about gain times the size of its input.
func Layer(name string, gain float64, shape ...int) []Rule {
	fan := 1
	for _, d := range shape[1:] {
		fan *= d
	}
	return []Rule{
		{name + ".weight", shape, gain * math.Sqrt(3/float64(fan)), 0},
		{name + ".bias", shape[:1], 0.1, 0},
	}
}

// Norm is a layer norm.
func Norm(name string, width int) []Rule {
	return []Rule{{name + ".weight", []int{width}, 0.3, 1}, {name + ".bias", []int{width}, 0.2, 0}}
}

// BatchNorm is a batch norm with its statistics.
func BatchNorm(name string, width int) []Rule {
	return append(Norm(name, width), Rule{name + ".running_mean", []int{width}, 0.2, 0}, Rule{name + ".running_var", []int{width}, 0.4, 1})
}

// block is one of CLIP's transformer blocks.
func block(name string, width int) []Rule {
	list := append(Norm(name+".ln_1", width), Norm(name+".ln_2", width)...)
	list = append(list, Rule{name + ".attn.in_proj_weight", []int{3 * width, width}, 2 * math.Sqrt(3/float64(width)), 0},
		Rule{name + ".attn.in_proj_bias", []int{3 * width}, 0.1, 0})
	list = append(list, Layer(name+".attn.out_proj", 0.5, width, width)...)
	list = append(list, Layer(name+".mlp.c_fc", 1, 4*width, width)...)
	return append(list, Layer(name+".mlp.c_proj", 0.5, width, 4*width)...)
}

// ViT is a vision transformer of CLIP in OpenAI's naming under a prefix such as "visual.", over
// grid x grid patches.
func ViT(prefix string, width, patch, blocks, grid int) []Rule {
	list := Layer(prefix+"conv1", 1, width, 3, patch, patch)[:1]
	list = append(list, Rule{prefix + "class_embedding", []int{width}, 0.5, 0},
		Rule{prefix + "positional_embedding", []int{grid*grid + 1, width}, 0.5, 0})
	list = append(list, Norm(prefix+"ln_pre", width)...)
	for i := range blocks {
		list = append(list, block(fmt.Sprintf("%stransformer.resblocks.%d", prefix, i), width)...)
	}
	return list
}

// ResNet is a modified residual network of CLIP for pictures with sides of 32 places pixels.
func ResNet(prefix string, width int, blocks [4]int, places int) []Rule {
	var list []Rule
	unit := func(conv, norm string, shape ...int) {
		list = append(list, Layer(prefix+conv, 1.2, shape...)[0])
		list = append(list, BatchNorm(prefix+norm, shape[0])...)
	}
	unit("conv1", "bn1", width/2, 3, 3, 3)
	unit("conv2", "bn2", width/2, width/2, 3, 3)
	unit("conv3", "bn3", width, width/2, 3, 3)
	fan := width
	for i, count := range blocks {
		planes := width << i
		for k := range count {
			at := fmt.Sprintf("layer%d.%d.", i+1, k)
			unit(at+"conv1", at+"bn1", planes, fan, 1, 1)
			unit(at+"conv2", at+"bn2", planes, planes, 3, 3)
			unit(at+"conv3", at+"bn3", 4*planes, planes, 1, 1)
			if k == 0 {
				unit(at+"downsample.0", at+"downsample.1", 4*planes, fan, 1, 1)
			}
			fan = 4 * planes
		}
	}
	return append(list, Rule{prefix + "attnpool.positional_embedding", []int{places*places + 1, fan}, 0.1, 0})
}

// Linear is the published linear decoder under a prefix such as "model.".
func Linear(prefix string, channels int) []Rule { return Layer(prefix+"fc.0", 1, 1, channels) }

// Attention is the published attention decoder.
func Attention(prefix string, width int) []Rule {
	return append(append(block(prefix+"att1", width), block(prefix+"att2", width)...), Linear(prefix, width)...)
}

// ConvPlan says how a conv decoder's layers are placed.
type ConvPlan struct {
	Depth    int
	Widths   [4]int  // channels of the stages
	Upsample [4]bool // whether a stage ends in upsampling, which counts as a layer
	Resize   bool    // whether the map is resized before the last layer, which counts as one, too
}

// Conv is the published conv decoder.
func Conv(prefix string, channels int, p ConvPlan) []Rule {
	var list []Rule
	at := 0
	for i, width := range p.Widths {
		for range p.Depth / 4 {
			list = append(list, Layer(fmt.Sprintf("%sfc.%d", prefix, at), 1.4, width, channels, 5, 5)...)
			list = append(list, BatchNorm(fmt.Sprintf("%sfc.%d", prefix, at+1), width)...)
			channels = width
			at += 3
		}
		if p.Upsample[i] {
			at++
		}
	}
	if p.Resize {
		at++
	}
	return append(list, Layer(fmt.Sprintf("%sfc.%d", prefix, at), 1, 1, channels, 5, 5)...)
}

// AllStages is the plan for a transformer: every stage upsamples, nothing is resized.
func AllStages(depth int, widths [4]int) ConvPlan {
	return ConvPlan{Depth: depth, Widths: widths, Upsample: [4]bool{true, true, true, true}}
}
