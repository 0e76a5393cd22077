package network

import (
	"fmt"
	"math"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// plainDINO is the naming of Meta's and timm's files. DINO's own names are Meta's, except that
// queries, keys and values have weights of their own, and that SwiGLU's gate, value and result are
// mlp.w1, mlp.w2 and mlp.w3.
func plainDINO(name string) []ref {
	if name == "register_tokens" {
		return []ref{whole("storage_tokens"), whole(name), whole("reg_token")}
	}
	block, layer, ok := cutBlock(name)
	if !ok {
		return []ref{whole(name)}
	}
	module, value := cutValue(layer)
	named := func(rest string) string { return block + rest + "." + value }
	switch module {
	case "attn.q_proj", "attn.k_proj", "attn.v_proj":
		letter := module[len("attn.")]
		joint := ref{name: named("attn.qkv"), part: strings.IndexByte("qkv", letter), parts: 3}
		if value == "bias" {
			joint.times = block + "attn.qkv.bias_mask"
			return []ref{joint, whole(named(module)), whole(block + "attn." + string(letter) + "_bias")}
		}
		return []ref{joint, whole(named(module))}
	case "ls1":
		return []ref{whole(named("ls1")), whole(block + "gamma_1")}
	case "ls2":
		return []ref{whole(named("ls2")), whole(block + "gamma_2")}
	case "mlp.w1":
		return []ref{whole(named("mlp.w1")), half(named("mlp.w12"), 0), whole(named("mlp.fc1_g")), half(named("mlp.fc1"), 0)}
	case "mlp.w2":
		return []ref{whole(named("mlp.w2")), half(named("mlp.w12"), 1), whole(named("mlp.fc1_x")), half(named("mlp.fc1"), 1)}
	case "mlp.w3":
		return []ref{whole(named("mlp.w3")), whole(named("mlp.fc2"))}
	}
	return []ref{whole(name)}
}

// half is one of two equal parts of a tensor.
func half(name string, part int) ref { return ref{name: name, part: part, parts: 2} }

// cutBlock splits "blocks.3.attn.proj.weight" into "blocks.3." and the rest.
func cutBlock(name string) (block, rest string, ok bool) {
	number, ok := strings.CutPrefix(name, "blocks.")
	if !ok {
		return "", "", false
	}
	number, rest, ok = strings.Cut(number, ".")
	return "blocks." + number + ".", rest, ok
}

// cutValue splits the name of a tensor into its module and its last part.
func cutValue(name string) (module, value string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

// Names of Hugging Face's modules inside a block, by DINO's own.
var (
	huggingFaceDINO2 = map[string][]ref{
		"attn.q_proj": {whole("attention.attention.query")}, "attn.k_proj": {whole("attention.attention.key")},
		"attn.v_proj": {whole("attention.attention.value")}, "attn.proj": {whole("attention.output.dense")},
		"mlp.w1": {half("mlp.weights_in", 0)}, "mlp.w2": {half("mlp.weights_in", 1)}, "mlp.w3": {whole("mlp.weights_out")},
	}
	huggingFaceDINO3 = map[string][]ref{
		"attn.q_proj": {whole("attention.q_proj")}, "attn.k_proj": {whole("attention.k_proj")},
		"attn.v_proj": {whole("attention.v_proj")}, "attn.proj": {whole("attention.o_proj")},
		"mlp.fc1": {whole("mlp.up_proj")}, "mlp.fc2": {whole("mlp.down_proj")},
		"mlp.w1": {whole("mlp.gate_proj")}, "mlp.w2": {whole("mlp.up_proj")}, "mlp.w3": {whole("mlp.down_proj")},
	}
)

// hfDINO2 is the naming of Hugging Face's Dinov2Model, with and without registers.
func hfDINO2(name string) []ref {
	return hfDINO(name, huggingFaceDINO2, "embeddings.patch_embeddings.projection", "layernorm", "encoder.layer.")
}

// hfDINO3 is the naming of Hugging Face's DINOv3ViTModel. In memory, newer versions put "model."
// before the blocks.
func hfDINO3(name string) []ref {
	return hfDINO(name, huggingFaceDINO3, "embeddings.patch_embeddings", "norm", "layer.", "model.layer.")
}

func hfDINO(name string, modules map[string][]ref, patches, norm string, layers ...string) []ref {
	block, layer, ok := cutBlock(name)
	if !ok {
		module, value := cutValue(name)
		switch module {
		case "patch_embed.proj":
			return []ref{whole(patches + "." + value)}
		case "norm":
			return []ref{whole(norm + "." + value)}
		}
		if name == "pos_embed" {
			return []ref{whole("embeddings.position_embeddings")}
		}
		return []ref{whole("embeddings." + name)}
	}
	module, value := cutValue(layer)
	list := []ref{whole(module)}
	if named, ok := modules[module]; ok {
		list = named
	} else if module == "ls1" || module == "ls2" {
		list, value = []ref{whole("layer_scale" + module[len("ls"):])}, "lambda1"
	}
	number := strings.TrimPrefix(block, "blocks.")
	var refs []ref
	for _, r := range list {
		for _, before := range layers {
			refs = append(refs, ref{name: before + number + r.name + "." + value, part: r.part, parts: r.parts})
		}
	}
	return refs
}

// dinoMarks find DINO's files: each is the end of the name of a tensor that such files have.
var dinoMarks = []struct {
	mark   string
	naming naming
	// has are other tensors that the file must have under the prefix, and lacks one that it must
	// not.
	has   []string
	lacks string
}{
	{"blocks.0.ls1.gamma", plainDINO, []string{"cls_token", "pos_embed"}, ""},
	{"blocks.0.ls1.gamma", plainDINO, []string{"cls_token"}, "pos_embed"},
	{"blocks.0.gamma_1", plainDINO, []string{"cls_token"}, "pos_embed"},
	{"embeddings.cls_token", hfDINO2, []string{"embeddings.position_embeddings", "encoder.layer.0.layer_scale1.lambda1"}, ""},
	{"embeddings.cls_token", hfDINO3, []string{"layer.0.layer_scale1.lambda1"}, "embeddings.position_embeddings"},
	{"embeddings.cls_token", hfDINO3, []string{"model.layer.0.layer_scale1.lambda1"}, "embeddings.position_embeddings"},
}

// dinosIn recognises the transformers of DINOv2 and DINOv3 in a file. If the sizes of one are
// impossible, the error names the tensor that is wrong.
func dinosIn(f *weights.File) ([]*Backbone, error) {
	var found []*Backbone
	for _, kind := range dinoMarks {
		for _, prefix := range prefixes(f, kind.mark) {
			fits := !hasTensor(f, prefix+kind.lacks)
			for _, name := range kind.has {
				fits = fits && hasTensor(f, prefix+name)
			}
			if !fits {
				continue
			}
			b := &Backbone{layout: layout{file: f, prefix: prefix, naming: withAdapters(kind.naming)}}
			t, err := dinoSizes(&b.layout)
			if err != nil {
				return nil, err
			}
			if err := b.readStatistics(&t); err != nil {
				return nil, err
			}
			b.tower = t
			if err := b.ownAdapters(); err != nil {
				return nil, err
			}
			found = append(found, b)
		}
	}
	return found, nil
}

func hasTensor(f *weights.File, name string) bool {
	_, ok := f.Tensor(name)
	return ok
}

// dinoSizes reads a transformer's sizes from its tensors.
func dinoSizes(l *layout) (d dino, err error) {
	kernel, err := l.shape("patch_embed.proj.weight", 4)
	if err != nil {
		return d, err
	}
	d = dino{version: 3, width: kernel[0], patch: kernel[2], blocks: l.count("blocks.%d.norm1.weight"), final: l.has("norm.weight")}
	if kernel[1] != 3 || kernel[2] != kernel[3] {
		return d, fmt.Errorf("%s: patches of shape %v: expected square ones of 3 channels", l.file.Path(), kernel[1:])
	}
	if l.has("register_tokens") {
		shape, err := l.shape("register_tokens", 3)
		if err != nil {
			return d, err
		}
		d.registers = shape[1]
	}
	if l.has("pos_embed") {
		d.version = 2
		if err := d.readGrid(l); err != nil {
			return d, err
		}
	}
	if err := d.readPerceptron(l); err != nil {
		return d, err
	}
	if err := d.readHeads(l); err != nil {
		return d, err
	}
	if err := d.check(); err != nil {
		return d, fmt.Errorf("%s: %w", l.file.Path(), err)
	}
	if err := d.readBiases(l); err != nil {
		return d, err
	}
	d.height = dinoInput / d.patch * d.patch
	if d.version == 2 {
		d.height = d.grid * d.patch
	}
	d.wide = d.height
	return d, nil
}

// readGrid reads the square of learnt positions.
func (d *dino) readGrid(l *layout) error {
	shape, err := l.shape("pos_embed", 3)
	if err != nil {
		return err
	}
	d.grid = root(shape[1] - 1)
	if d.grid*d.grid == shape[1]-1 {
		return nil
	}
	d.grid, d.placed = root(shape[1]), true
	if d.grid*d.grid != shape[1] || d.registers == 0 {
		t, _, _ := l.find("pos_embed")
		return fmt.Errorf("%s: tensor %q has shape %v: expected a square of patches, and a row more if there are no registers",
			l.file.Path(), t.Name, t.Shape)
	}
	return nil
}

// readPerceptron finds out which kind the perceptrons are. timm names SwiGLU's layers like those of
// the other kind: the first is then twice as high as the second is wide.
func (d *dino) readPerceptron(l *layout) error {
	first, r, ok := l.find("blocks.0.mlp.w1.weight")
	last := "blocks.0.mlp.fc2.weight"
	if ok && strings.HasSuffix(r.name, "mlp.fc1.weight") {
		second, err := l.shape(last, 2)
		if err != nil {
			return err
		}
		ok = first.Shape[0] == 2*second[1]
	}
	if d.gated = ok; ok {
		last = "blocks.0.mlp.w3.weight"
	}
	shape, err := l.shape(last, 2)
	if err != nil {
		return err
	}
	d.hidden = shape[1]
	return nil
}

// Heads of the largest network are wider; without periods a file does not say so.
const (
	widest     = 4096
	widestHead = 128
)

// periodsName is the tensor of the periods in Meta's files.
const periodsName = "rope_embed.periods"

// readHeads reads the periods of DINOv3's angles. Files of Hugging Face and timm have none; theirs
// are Meta's, which are rounded to bfloat16.
func (d *dino) readHeads(l *layout) error {
	d.head = headWidth
	if d.version == 2 {
		return nil
	}
	if d.width == widest {
		d.head = widestHead
	}
	t, _, ok := l.find(periodsName)
	if !ok {
		for k := range d.head / 4 {
			exact := math.Pow(100, 2*float64(k)/float64(d.head/2))
			d.periods[k] = toBFloat16(float32(exact))
		}
		return nil
	}
	values, err := l.file.Float32s(t.Name)
	if err != nil {
		return err
	}
	if len(values) < 1 || len(values) > mostPeriods {
		return fmt.Errorf("%s: tensor %q has %d periods: expected 1 to %d", l.file.Path(), t.Name, len(values), mostPeriods)
	}
	for _, v := range values {
		if !(v > 0) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%s: tensor %q holds the period %g: expected positive numbers", l.file.Path(), t.Name, v)
		}
	}
	d.head = 4 * len(values)
	copy(d.periods[:], values)
	return nil
}

// toBFloat16 rounds a finite number to the nearest of bfloat16, ties to even.
func toBFloat16(v float32) float32 {
	const dropped = 16
	bits := math.Float32bits(v)
	bits += 1<<(dropped-1) - 1 + bits>>dropped&1
	return math.Float32frombits(bits >> dropped << dropped)
}

// Upper limits of DINO's sizes in a file, above the published ones.
const (
	mostDINOWidth  = 8192
	mostDINOHidden = 32768
	mostDINOBlocks = 100
	mostRegisters  = 64
)

// check returns an error for impossible sizes.
func (d *dino) check() error {
	switch {
	case d.width%d.head != 0 || d.width > mostDINOWidth || d.hidden > mostDINOHidden:
		return fmt.Errorf("a transformer of width %d with %d channels inside its perceptrons: expected a multiple of %d, the width of a head, "+
			"and at most %d and %d", d.width, d.hidden, d.head, mostDINOWidth, mostDINOHidden)
	case d.blocks < 1 || d.blocks > mostDINOBlocks:
		return fmt.Errorf("a transformer of %d blocks: expected 1 to %d", d.blocks, mostDINOBlocks)
	case d.registers > mostRegisters || d.grid > maxGrid || d.patch*max(1, d.grid) > maxSide:
		return fmt.Errorf("a transformer with %d registers over %d x %d patches of %d pixels: expected at most %d, %d, and %d pixels in all",
			d.registers, d.grid, d.grid, d.patch, mostRegisters, maxGrid, maxSide)
	}
	return nil
}

// readBiases finds out whether queries, keys and values have biases. In Meta's files of DINOv3 all
// are zero, and those of keys are masked. A bias that is zero in all blocks is left out: then files
// of all namings hold the same network.
func (d *dino) readBiases(l *layout) error {
	if l.has("cls_norm.weight") {
		return fmt.Errorf("%s: tensor %q: a norm of their own for the first tokens is not supported", l.file.Path(), l.prefix+"cls_norm.weight")
	}
	for i, which := range []string{"q", "k", "v"} {
		for block := range d.blocks {
			name := fmt.Sprintf("blocks.%d.attn.%s_proj.bias", block, which)
			t, _, ok := l.find(name)
			if !ok {
				continue
			}
			values, err := l.values(name, []int{d.width})
			if err != nil {
				return err
			}
			for _, v := range values {
				d.biases[i] = d.biases[i] || v != 0
			}
			l.read(t.Name)
		}
	}
	return nil
}
