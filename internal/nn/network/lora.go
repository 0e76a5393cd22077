package network

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// LoRA describes the adapters of a network that are trained next to its frozen backbone: W + Alpha
// / Rank B A for each adapted linear layer (Hu et al., 2021).
type LoRA struct {
	Rank int `json:"rank"`
	// Alpha divided by the rank is the factor of the adapters; 0 means twice the rank.
	Alpha float64 `json:"alpha,omitempty"`
	// Targets name the layers of each block that have an adapter; see LoRATargets.
	Targets []string `json:"targets"`
}

// LoRATargets lists the names of layers that adapters can be added to: "qkv" is one adapter for
// queries, keys and values, "q", "k" and "v" are adapters of their own; "proj" follows attention;
// "fc1" and "fc2" are the layers of a perceptron, "w1", "w2" and "w3" those of SwiGLU; "mlp" means
// all layers of the perceptron.
func LoRATargets() []string { return slices.Clone(loraTargets) }

var loraTargets = []string{"qkv", "q", "k", "v", "proj", "mlp", "fc1", "fc2", "w1", "w2", "w3"}

// maxRank limits the rank of adapters.
const maxRank = 1024

// complete fills in the defaults and checks the options. Errors wrap ErrSpec.
func (o LoRA) complete() (LoRA, error) {
	if o.Rank < 1 || o.Rank > maxRank {
		return o, fmt.Errorf("%w: adapters of rank %d: expected 1 to %d", ErrSpec, o.Rank, maxRank)
	}
	if o.Alpha < 0 {
		return o, fmt.Errorf("%w: adapters with alpha %g: expected a positive number", ErrSpec, o.Alpha)
	}
	if o.Alpha == 0 {
		o.Alpha = 2 * float64(o.Rank)
	}
	if len(o.Targets) == 0 {
		o.Targets = []string{"qkv"}
	}
	o.Targets = sortedNames(o.Targets)
	for _, t := range o.Targets {
		if !slices.Contains(loraTargets, t) {
			return o, fmt.Errorf("%w: adapters of %q: expected some of %s", ErrSpec, t, strings.Join(loraTargets, ", "))
		}
	}
	has := func(name string) bool { return slices.Contains(o.Targets, name) }
	if has("qkv") && (has("q") || has("k") || has("v")) {
		return o, fmt.Errorf("%w: adapters of qkv and of q, k or v exclude each other", ErrSpec)
	}
	return o, nil
}

// Validate returns an error for options that make no sense. Errors wrap ErrSpec.
func (o LoRA) Validate() error {
	_, err := o.complete()
	return err
}

// module is the module whose adapter belongs to a layer of a block, such as attn.qkv for
// attn.k_proj, and which of its shares of the rows are the layer's; "" if the layer has none.
func (o *LoRA) module(layer string) (name string, share, shares int) {
	has := func(name string) bool { return slices.Contains(o.Targets, name) }
	of, last, _ := strings.Cut(layer, ".")
	if letter, projection := strings.CutSuffix(last, "_proj"); projection {
		switch {
		case has("qkv"):
			return "attn.qkv", strings.Index("qkv", letter), 3
		case has(letter):
			return layer, 0, 1
		}
		return "", 0, 0
	}
	if has(last) || of == "mlp" && has("mlp") {
		return layer, 0, 1
	}
	return "", 0, 0
}

// statedAlpha is the alpha that a training's checkpoint states for its adapters, 0 if it does not.
func statedAlpha(f *weights.File) (float64, error) {
	meta := f.Metadata()
	if text := meta[SpecKey]; text != "" {
		var spec Spec
		if err := json.Unmarshal([]byte(text), &spec); err == nil && spec.LoRA != nil {
			return spec.LoRA.Alpha, nil
		}
	}
	for _, key := range []string{"args.lora_alpha", "lora_alpha"} {
		text, ok := meta[key]
		if !ok {
			continue
		}
		alpha, err := strconv.ParseFloat(text, 64)
		if err != nil || !(alpha > 0) {
			return 0, fmt.Errorf("%s: %q is %q: expected a positive number", f.Path(), key, text)
		}
		return alpha, nil
	}
	return 0, nil
}

// trainedAdapter declares the adapter in memory of a linear layer; nil if it has none.
func (b *builder) trainedAdapter(name string, in, out int) *adapterNodes {
	block, layer, ok := cutBlock(name)
	module, share, shares := b.lora.module(layer)
	if !ok || module == "" {
		return nil
	}
	own, frozen := b.part, b.frozen
	b.part, b.frozen = nil, false
	defer func() { b.part, b.frozen = own, frozen }()
	full, rank := own.scope+block+module, b.lora.Rank
	n := &adapterNodes{name: full, factor: b.lora.Alpha / float64(rank), apart: true}
	n.a = b.param(full+loraA+".default.weight", []int{rank, in}, initUniform, in)
	n.b = b.param(full+loraB+".default.weight", []int{shares * out, rank}, initZero, rank)
	if shares > 1 {
		n.b = graph.Slice(n.b, 0, share*out, (share+1)*out)
	}
	return n
}

// Adapted is a decoder and the adapters of its backbone, which are trained together. The backbone's
// own weights are frozen and stay in their files, which must be open while programs are made.
type Adapted struct {
	model  Pretrained // without the decoder's layout
	params []Param
}

// Adapted adds adapters to the head's backbone, one of DINOv2 or DINOv3. The values of new ones are
// drawn from seed; those that the backbone has already, in a checkpoint of declip, are continued.
// Errors about the options wrap ErrSpec.
func (h *Head) Adapted(o LoRA, seed uint64) (*Adapted, error) {
	a := &Adapted{model: h.model}
	backbones := h.model.distinct()
	d, ok := backbones[0].backbone.tower.(dino)
	if !ok || len(backbones) > 1 {
		return nil, fmt.Errorf("%w: adapters can be added to one backbone of DINOv2 or DINOv3, not to %s", ErrSpec, h.model.spec.Arch)
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := d.checkTargets(o.Targets); err != nil {
		return nil, err
	}
	a.model.spec.LoRA = &o
	own := map[string]Param{}
	for _, p := range h.params {
		own[p.Name] = p
	}
	all, err := a.declare()
	if err != nil {
		return nil, err
	}
	existing := backbones[0].backbone.layout.adapters
	for _, d := range all {
		if d.part != nil {
			continue
		}
		p, ok := own[d.name]
		switch {
		case ok:
		case existing == nil:
			p = d.initial(seed)
		default:
			if p, err = existing.param(d); err != nil {
				return nil, err
			}
		}
		a.params = append(a.params, p)
	}
	return a, nil
}

// param reads the values of a declared tensor of adapters.
func (a *adapters) param(d declared) (Param, error) {
	p := Param{Name: d.name, Shape: d.shape, Trainable: d.trainable, Backbone: d.backbone}
	if a.layout == nil {
		return p, fmt.Errorf("%w: the backbone's file has adapters already: merge them first (declip models convert --merge)", ErrSpec)
	}
	plain := layout{file: a.layout.file, naming: plainNaming}
	var err error
	p.Data, err = plain.values(d.name, d.shape)
	return p, err
}

// checkTargets returns an error for layers that the transformer does not have.
func (d dino) checkTargets(targets []string) error {
	wrong := []string{"w1", "w2", "w3"}
	if d.gated {
		wrong = []string{"fc1", "fc2"}
	}
	for _, t := range targets {
		if slices.Contains(wrong, t) {
			return fmt.Errorf("%w: %s has no layer %s for an adapter", ErrSpec, d.arch(), t)
		}
	}
	return nil
}

// declare lists the parameters by building the network once: those in files have a part.
func (a *Adapted) declare() ([]declared, error) {
	g := graph.New()
	side := a.model.spec.Input
	b, _ := a.build(g, g.Input(PortImage, graph.Open, 3, side, side), false)
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", a.model.spec, err)
	}
	return b.declared, nil
}

func (a *Adapted) build(g *graph.Graph, image *graph.Node, train bool) (*builder, *graph.Node) {
	b := newBuilder(g, train)
	d := a.model.distinct()[0]
	layout := d.backbone.layout
	layout.adapters = nil
	b.part, b.frozen, b.inBackbone, b.lora = &part{&layout, dinoScope}, true, true, a.model.spec.LoRA
	features := make([]*graph.Node, len(a.model.uses))
	d.read(build(d.backbone.tower, b, image, d.layers), features)
	b.part, b.frozen, b.inBackbone, b.lora = nil, false, false, nil
	b.stacked = true
	return b, a.model.decoder.build(b, features, a.model.shapes)
}

// Spec returns the network's description with every default filled in.
func (a *Adapted) Spec() Spec { return a.model.spec }

// Params returns the tensors of the adapters and the decoder in a fixed order. The slice belongs to
// the network.
func (a *Adapted) Params() []Param { return a.params }

// Uses is nil: the network takes pictures.
func (a *Adapted) Uses() []Use { return nil }

// Build adds the network to g; see Builder. The frozen weights are parameters, too: those of
// Frozen.
func (a *Adapted) Build(g *graph.Graph, inputs []*graph.Node, train bool) Built {
	b, logits := a.build(g, inputs[0], train)
	return Built{Logits: logits, Updates: b.updates}
}

// Frozen returns the backbone's weights, by the names of their parameters, as sections of files
// in a directory.
func (a *Adapted) Frozen() (values map[string]graph.Initializer, dir string, err error) {
	all, err := a.declare()
	if err != nil {
		return nil, "", err
	}
	return initializersOf(slices.DeleteFunc(all, func(d declared) bool { return d.part == nil }))
}

// Metadata is the metadata of a file with the adapters and the decoder: the Spec, and the backbone
// that they belong to. It reads the backbone's weights; see Backbone.Digest.
func (a *Adapted) Metadata() (map[string]string, error) {
	plain := *a.model.distinct()[0].backbone
	plain.layout.adapters = nil
	digest, err := plain.Digest()
	if err != nil {
		return nil, err
	}
	origins, err := json.Marshal([]BackboneOrigin{{plain.Arch(), digest}})
	return map[string]string{SpecKey: a.Spec().json(), BackbonesKey: string(origins)}, err
}
