package networktest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/weights"
)

// DINOGolden is what tools/golden/dino.py wrote about tiny networks of DINOv2, DINOv3 and
// DINOv3-IML.
type DINOGolden struct {
	Stride int // every how many values are kept
	Cases  []DINOCase
	IML    struct {
		Rules       []Rule // of the backbone, the head and the adapters
		Plain, LoRA GoldenTensor
	}
}

// DINOCase is a network, the files that hold it, and PyTorch's features.
type DINOCase struct {
	Name  string
	Rules []Rule // in Meta's naming
	Files map[string][]DINOTensor
	Sizes []struct {
		Height, Width int
		Features      map[string]GoldenTensor
	}
}

// DINOTensor is a tensor of a file and how it is made of Meta's tensors.
type DINOTensor struct {
	Name, How string
	Sources   []string
}

// UnmarshalJSON reads [name, how, sources].
func (d *DINOTensor) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&d.Name, &d.How, &d.Sources})
}

// ReadDINO reads the golden file.
func ReadDINO(t testing.TB, path string) (g DINOGolden) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return g
}

// File makes the tensors of a naming: "meta", "huggingface" or "timm".
func (c DINOCase) File(t testing.TB, naming string) (list []weights.Tensor) {
	t.Helper()
	all := map[string]Rule{}
	for _, r := range c.Rules {
		all[r.Name] = r
	}
	for _, d := range c.Files[naming] {
		list = append(list, d.make(t, all))
	}
	return list
}

func (d DINOTensor) make(t testing.TB, all map[string]Rule) weights.Tensor {
	t.Helper()
	switch d.How {
	case "periods":
		return Periods(d.Name)
	case "mask":
		width := all["cls_token"].Shape[2]
		values := slices.Repeat([]float32{1}, 3*width)
		clear(values[width : 2*width])
		return weights.FromFloat32s(d.Name, []int{3 * width}, values)
	}
	r := all[d.Sources[0]]
	values, shape := uniformOf(r), slices.Clone(r.Shape)
	switch word := strings.Fields(d.How); word[0] {
	case "rows":
		var part, parts int
		if _, err := fmt.Sscan(word[1]+" "+word[2], &part, &parts); err != nil {
			t.Fatalf("%s: %q: %v", d.Name, d.How, err)
		}
		n := len(values) / parts
		values, shape[0] = values[part*n:][:n], shape[0]/parts
	case "skip":
		values, shape[1] = values[shape[2]:], shape[1]-1
	case "add":
		for i, v := range uniformOf(all[d.Sources[1]])[:len(values)] {
			values[i] += v
		}
	case "copy":
	default:
		t.Fatalf("%s: %q is not a way to make a tensor", d.Name, d.How)
	}
	return weights.FromFloat32s(d.Name, shape, values)
}

func uniformOf(r Rule) []float32 {
	n := 1
	for _, d := range r.Shape {
		n *= d
	}
	return Uniform(r.Name, n, r.Scale, r.Offset)
}

// Periods are those of DINOv3's files, in bfloat16, for heads of 64 channels.
func Periods(name string) weights.Tensor {
	const count = 16
	data := make([]byte, 0, 2*count)
	for k := range count {
		bits := math.Float32bits(float32(math.Pow(100, 2*float64(k)/(2*count))))
		bits += 1<<15 - 1 + bits>>16&1
		data = binary.LittleEndian.AppendUint16(data, uint16(bits>>16))
	}
	return weights.Tensor{Name: name, DType: weights.BFloat16, Shape: []int{count}, Data: data}
}

// DINOv3 is a tiny network of DINOv3 in Meta's naming under a prefix such as "backbone.": 4 storage
// tokens, patches of 16 pixels, perceptrons 4 times as wide.
func DINOv3(prefix string, width, blocks int) (list []weights.Tensor) {
	rules := append(Layer(prefix+"patch_embed.proj", 1, width, 3, 16, 16),
		Rule{prefix + "cls_token", []int{1, 1, width}, 0.5, 0}, Rule{prefix + "storage_tokens", []int{1, 4, width}, 0.5, 0})
	rules = append(rules, Norm(prefix+"norm", width)...)
	for i := range blocks {
		at := fmt.Sprintf("%sblocks.%d.", prefix, i)
		rules = append(rules, Norm(at+"norm1", width)...)
		rules = append(rules, Norm(at+"norm2", width)...)
		rules = append(rules, Layer(at+"attn.qkv", 1.5, 3*width, width)...)
		rules = append(rules, Layer(at+"attn.proj", 1, width, width)...)
		rules = append(rules, Layer(at+"mlp.fc1", 1, 4*width, width)...)
		rules = append(rules, Layer(at+"mlp.fc2", 1, width, 4*width)...)
		rules = append(rules, Rule{at + "ls1.gamma", []int{width}, 0.3, 0.6}, Rule{at + "ls2.gamma", []int{width}, 0.3, 0.6})
	}
	list = Tensors(rules)
	for i := range blocks {
		values := slices.Repeat([]float32{1}, 3*width)
		clear(values[width : 2*width])
		list = append(list, weights.FromFloat32s(fmt.Sprintf("%sblocks.%d.attn.qkv.bias_mask", prefix, i), []int{3 * width}, values))
	}
	return append(list, Periods(prefix+"rope_embed.periods"))
}

// Conv3 is the head of DINOv3-IML.
func Conv3(channels int) (list []Rule) {
	for i, out := range []int{channels / 2, channels / 4} {
		list = append(list, Layer(fmt.Sprintf("seg_head.%d", 3*i), 1.4, out, channels, 3, 3)...)
		list = append(list, BatchNorm(fmt.Sprintf("seg_head.%d", 3*i+1), out)...)
		channels = out
	}
	return append(list, Layer("seg_head.6", 2, 1, channels, 1, 1)...)
}
