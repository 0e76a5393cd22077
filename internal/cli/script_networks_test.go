package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/nn/weights/npy"
)

// scriptPublished writes a small network in a published layout, with the further tensors of the
// published files: published FILE vit|fusion|clip-vit|clip-rn|trufor|pscc|catnet. "vit" is a
// model, "fusion" a decoder for the next two; the last three are other authors' networks.
func scriptPublished(ts *testscript.TestScript, _ bool, args []string) {
	var rules []networktest.Rule
	metadata := map[string]string{}
	plan := networktest.AllStages(4, [4]int{8, 8, 4, 4})
	decoder := func(channels int, layer string) {
		rules = append(rules, networktest.Conv("model.", channels, plan)...)
		rules = append(rules, networktest.Layer("optimizer.state.0.exp_avg", 1, 8, channels)...)
		metadata = networktest.Published(layer, "conv-4")
		metadata["total_steps"], metadata["optimizer.param_groups.0.lr"] = "1200", "0.001"
	}
	withText := func(tower []networktest.Rule, prefix string) []networktest.Rule {
		for _, r := range networktest.ViT(prefix, 64, 8, 1, 1) {
			if strings.Contains(r.Name, "transformer") {
				tower = append(tower, r)
			}
		}
		return append(tower, networktest.Layer(prefix+"token_embedding", 1, 90, 64)[0])
	}
	switch args[1] {
	case "vit":
		rules = withText(networktest.ViT("model.model.visual.", 64, 8, 3, 4), "model.model.")
		decoder(64, "layer1")
	case "fusion":
		plan.Resize = true
		decoder(64+256, "layer0")
	case "clip-vit":
		rules = withText(networktest.ViT("visual.", 64, 8, 3, 4), "")
	case "clip-rn":
		rules = withText(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 1), "")
	case "trufor", "pscc":
		text, err := os.ReadFile(filepath.Join("..", "nn", "network", "testdata", args[1]+".json"))
		ts.Check(err)
		var golden networktest.Golden
		ts.Check(json.Unmarshal(text, &golden))
		rules = golden.Rules
	case "catnet":
		text, err := os.ReadFile(filepath.Join("..", "nn", "network", "testdata", "catnet.json"))
		ts.Check(err)
		var golden struct{ Sizes networktest.CATNet }
		ts.Check(json.Unmarshal(text, &golden))
		rules = golden.Sizes.Rules(true)
	default:
		ts.Fatalf("published: %q is unknown", args[1])
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(weights.Write(path, networktest.Tensors(rules), metadata))
}

// scriptNetwork writes a small network in the published layout, its values the
// same for the same names: network FILE vit|rn|fusion [LAYER DECODER]. Without a
// decoder it is a file of CLIP; "fusion" is a decoder for both of these.
func scriptNetwork(ts *testscript.TestScript, _ bool, args []string) {
	var rules []networktest.Rule
	metadata := map[string]string{}
	channels, prefix := 64, "visual."
	plan := networktest.AllStages(4, [4]int{8, 8, 4, 4})
	if len(args) > 2 {
		prefix = "model.model.visual."
		metadata = networktest.Published(args[2], args[3])
	}
	switch args[1] {
	case "vit":
		rules = networktest.ViT(prefix, channels, 8, 3, 3)
	case "rn":
		rules, channels = networktest.ResNet(prefix, 16, [4]int{1, 1, 1, 1}, 2), 256
		plan.Resize = true
	case "fusion":
		channels, plan.Resize = 64+256, true
	}
	if len(args) > 2 {
		switch args[3] {
		case "linear":
			rules = slices.Concat(rules, networktest.Linear("model.", channels))
		case "conv-4":
			rules = slices.Concat(rules, networktest.Conv("model.", channels, plan))
		default:
			ts.Fatalf("network: decoder %q is unknown", args[3])
		}
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(weights.Write(path, networktest.Tensors(rules), metadata))
}

// scriptDINO writes a small backbone of DINOv3, or a checkpoint of DINOv3-IML with adapters of rank
// 2: dino FILE backbone|iml.
func scriptDINO(ts *testscript.TestScript, _ bool, args []string) {
	const width, rank = 64, 2
	tensors := networktest.DINOv3("", width, 2)
	if args[1] == "iml" {
		tensors = networktest.Tensors(networktest.Conv3(width))
		for _, t := range networktest.DINOv3("model.backbone.", width, 2) {
			t.Name = strings.Replace(t.Name, "attn.qkv.", "attn.qkv.base_layer.", 1)
			tensors = append(tensors, t)
		}
		for i := range tensors[:len(networktest.Conv3(width))] {
			tensors[i].Name = "model." + tensors[i].Name
		}
		for i := range 2 {
			at := fmt.Sprintf("model.backbone.blocks.%d.attn.qkv.lora_", i)
			tensors = append(tensors, networktest.Rule{Name: at + "A.default.weight", Shape: []int{rank, width}, Scale: 0.1}.Tensor(),
				networktest.Rule{Name: at + "B.default.weight", Shape: []int{3 * width, rank}, Scale: 0.3}.Tensor())
		}
		tensors = append(tensors, networktest.Rule{Name: "optimizer.state.0.exp_avg", Shape: []int{rank, width}, Scale: 1}.Tensor())
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(weights.Write(path, tensors, nil))
}

// scriptPrefix copies a file of weights with a prefix before all names of tensors, once for each
// prefix: prefix FROM TO PREFIX... "lite" is the built-in model.
func scriptPrefix(ts *testscript.TestScript, _ bool, args []string) {
	tensors, metadata := readTensors(ts, args[0])
	var copies []weights.Tensor
	for _, prefix := range args[2:] {
		for _, t := range tensors {
			t.Name = prefix + t.Name
			copies = append(copies, t)
		}
	}
	ts.Check(weights.Write(ts.MkAbs(args[1]), copies, metadata))
}

// scriptShard copies a file of weights into a directory as two files with an index:
// shard FROM DIRECTORY. "lite" is the built-in model.
func scriptShard(ts *testscript.TestScript, _ bool, args []string) {
	tensors, metadata := readTensors(ts, args[0])
	dir, half := ts.MkAbs(args[1]), len(tensors)/2
	ts.Check(os.MkdirAll(dir, 0o755))
	where := map[string]string{}
	for name, part := range map[string][]weights.Tensor{"1.safetensors": tensors[:half], "2.safetensors": tensors[half:]} {
		ts.Check(weights.Write(filepath.Join(dir, name), part, metadata))
		for _, t := range part {
			where[t.Name] = name
		}
	}
	text, err := json.Marshal(map[string]any{"weight_map": where})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, weights.IndexName), text, 0o644))
}

// readTensors returns the tensors of a model with their contents, and its metadata.
func readTensors(ts *testscript.TestScript, name string) ([]weights.Tensor, map[string]string) {
	if name != "lite" {
		name = ts.MkAbs(name)
	}
	f, err := models.Open(name)
	ts.Check(err)
	defer f.Close()
	tensors := f.Tensors()
	for i, t := range tensors {
		tensors[i].Data, err = f.Bytes(t.Name)
		ts.Check(err)
	}
	return tensors, weights.Unsealed(f.Metadata())
}

// scriptMean checks that an array is the mean of others, to some millionths of its
// largest value, which batches and packed weights make a difference of:
// mean FILE OTHER...
func scriptMean(ts *testscript.TestScript, neg bool, args []string) {
	shape, got, err := npy.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	want := make([]float32, len(got))
	for _, name := range args[1:] {
		other, data, err := npy.Read(ts.MkAbs(name))
		ts.Check(err)
		if !slices.Equal(shape, other) {
			ts.Fatalf("%s has shape %v, %s has %v", args[0], shape, name, other)
		}
		for i, v := range data {
			want[i] += v / float32(len(args)-1)
		}
	}
	largest, scale := 0.0, 1.0
	for i, v := range got {
		largest, scale = max(largest, math.Abs(float64(v-want[i]))), max(scale, math.Abs(float64(v)))
	}
	if near := largest < 5e-6*scale; near == neg {
		ts.Fatalf("%s differs by %g from the mean of %s", args[0], largest, strings.Join(args[1:], ", "))
	}
}

// scriptTensors checks a file of weights: tensors FILE TYPE NAME=SHAPE... [KEY:VALUE...],
// a shape as 64x3x3, and entries of the metadata. There are no other tensors.
func scriptTensors(ts *testscript.TestScript, _ bool, args []string) {
	f, err := weights.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	count := 0
	for _, arg := range args[2:] {
		if key, value, ok := strings.Cut(arg, ":"); ok {
			if got := f.Metadata()[key]; got != value {
				ts.Fatalf("%s has %s %q, expected %q", args[0], key, got, value)
			}
			continue
		}
		name, want, _ := strings.Cut(arg, "=")
		tensor, ok := f.Tensor(name)
		got := strings.Trim(strings.ReplaceAll(fmt.Sprint(tensor.Shape), " ", "x"), "[]")
		if !ok || got != want || string(tensor.DType) != args[1] {
			ts.Fatalf("%s has %s %s %s, expected %s", args[0], name, tensor.DType, got, want)
		}
		count++
	}
	if all := len(f.Names()); all != count {
		ts.Fatalf("%s holds %d tensors, expected %d", args[0], all, count)
	}
}

// scriptArray checks the beginning of a NumPy file: array FILE TYPE SHAPE, as array a.npy '<f2'
// '64, 3, 3'.
func scriptArray(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	head, _, _ := strings.Cut(string(data), "\n")
	if want := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", args[1], args[2]); !strings.Contains(head, want) {
		ts.Fatalf("%s begins with %q, expected %s", args[0], head, want)
	}
}
