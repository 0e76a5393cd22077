package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// layout says where a part of a network, a backbone or a decoder, has its tensors. A part's own
// names are those of OpenAI's CLIP and of the published decoders, without a prefix.
type layout struct {
	file   *weights.File
	prefix string // before every name of the part in the file
	naming naming
	// known are the names of tensors that were read already, for sizes and settings.
	known map[string]bool
	// adapters are added to linear layers; nil without any.
	adapters *adapters
}

// read notes that a tensor was read already and need not be requested by the part.
func (l *layout) read(name string) {
	if l.known == nil {
		l.known = map[string]bool{}
	}
	l.known[name] = true
}

// naming turns a part's own name into the names that a file may use for it, the usual one first.
type naming func(name string) []ref

// ref refers to a tensor of a file, or to one of several equal shares of its rows.
type ref struct {
	name        string
	part, parts int
	times       string // a tensor of equal shape that multiplies it, if the file has it
}

func whole(name string) ref { return ref{name: name, parts: 1} }

// plainNaming keeps the names, except for the projections of attention, which PyTorch stores as one
// tensor.
func plainNaming(name string) []ref {
	for i, which := range []string{"q_proj", "k_proj", "v_proj"} {
		if block, value, ok := strings.Cut(name, ".attn."+which+"."); ok {
			return []ref{{name: block + ".attn.in_proj_" + value, part: i, parts: 3}, whole(name)}
		}
	}
	return []ref{whole(name)}
}

// huggingFaceNaming is that of Hugging Face's CLIP vision models, after the prefix "vision_model.".
func huggingFaceNaming(name string) []ref {
	if rest, ok := strings.CutPrefix(name, "transformer.resblocks."); ok {
		block, layer, _ := strings.Cut(rest, ".")
		return []ref{whole("encoder.layers." + block + "." + huggingFaceLayers.Replace(layer))}
	}
	if rest, ok := strings.CutPrefix(name, "ln_pre."); ok {
		// The published files have this misspelling.
		return []ref{whole("pre_layrnorm." + rest), whole("pre_layernorm." + rest)}
	}
	if other, ok := huggingFaceEmbeddings[name]; ok {
		return []ref{whole(other)}
	}
	return []ref{whole(name)}
}

var huggingFaceLayers = strings.NewReplacer("ln_1", "layer_norm1", "ln_2", "layer_norm2", "attn", "self_attn",
	"mlp.c_fc", "mlp.fc1", "mlp.c_proj", "mlp.fc2")

var huggingFaceEmbeddings = map[string]string{
	"conv1.weight":         "embeddings.patch_embedding.weight",
	"class_embedding":      "embeddings.class_embedding",
	"positional_embedding": "embeddings.position_embedding.weight",
}

// find returns the tensor for a part's own name, and which share of its rows; false if there is
// none.
func (l *layout) find(name string) (weights.Tensor, ref, bool) {
	for _, r := range l.naming(name) {
		if t, ok := l.file.Tensor(l.prefix + r.name); ok {
			if r.times != "" && !hasTensor(l.file, l.prefix+r.times) {
				r.times = ""
			}
			return t, r, true
		}
	}
	return weights.Tensor{}, ref{}, false
}

// get is find for a tensor that must exist, with the given shape and floating-point values. Errors
// name the tensor as the file does.
func (l *layout) get(name string, shape []int) (weights.Tensor, ref, error) {
	t, r, ok := l.find(name)
	if !ok {
		return t, r, l.missing(name)
	}
	want := slices.Clone(shape)
	if r.parts > 1 {
		want[0] *= r.parts
	}
	if !slices.Equal(t.Shape, want) {
		return t, r, fmt.Errorf("%s: tensor %q has shape %v, expected %v", l.file.Path(), t.Name, t.Shape, want)
	}
	if _, ok := floatTypes[t.DType]; !ok {
		return t, r, fmt.Errorf("%s: tensor %q holds %s, expected floating-point numbers", l.file.Path(), t.Name, t.DType)
	}
	return t, r, nil
}

func (l *layout) missing(name string) error {
	return fmt.Errorf("%s: tensor %q is missing", l.file.Path(), l.prefix+l.naming(name)[0].name)
}

// shape is the shape of a part's tensor with the given number of dimensions, none of them empty.
// Sizes are read from it.
func (l *layout) shape(name string, rank int) ([]int, error) {
	t, _, ok := l.find(name)
	if !ok {
		return nil, l.missing(name)
	}
	if len(t.Shape) != rank || slices.Contains(t.Shape, 0) {
		return nil, fmt.Errorf("%s: tensor %q has shape %v, expected %d dimensions", l.file.Path(), t.Name, t.Shape, rank)
	}
	return t.Shape, nil
}

// count is the number of consecutive tensors named by format with 0, 1, 2, ...; format has one %d.
func (l *layout) count(format string) int {
	for i := 0; ; i++ {
		if _, _, ok := l.find(fmt.Sprintf(format, i)); !ok {
			return i
		}
	}
}
