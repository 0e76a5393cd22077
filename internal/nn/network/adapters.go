package network

import (
	"math"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
)

// Ends of the names of an adapter's tensors, after the name of the module that it belongs to.
const (
	loraA = ".lora_A"
	loraB = ".lora_B"
)

// adapters are low-rank additions to the weights of linear layers (Hu et al., "LoRA", 2021): W +
// alpha / r B A, with A [r, in] and B [out, r].
type adapters struct {
	// layout says where the tensors are; nil for the backbone's own layout.
	layout *layout
	// alpha divided by the rank r is the factor of the additions; 0 means twice the rank.
	alpha float64
	// root makes it alpha divided by the root of the rank.
	root bool
}

// equal says whether two lists of adapters are the same tensors with the same factors.
func (a *adapters) equal(other *adapters) bool {
	if a == nil || other == nil {
		return a == other
	}
	return a.layout == other.layout && a.alpha == other.alpha && a.root == other.root
}

// factor is what B A is multiplied by.
func (a *adapters) factor(rank int) float64 {
	switch {
	case a.alpha == 0:
		return 2
	case a.root:
		return a.alpha / math.Sqrt(float64(rank))
	}
	return a.alpha / float64(rank)
}

// withAdapters extends a naming by the tensors of adapters, in the names that PEFT uses: those of
// the module that an adapter belongs to, whose own weights may be in "base_layer".
func withAdapters(base naming) naming {
	return func(name string) []ref {
		for _, side := range []string{loraA, loraB} {
			if module, ok := strings.CutSuffix(name, side+".weight"); ok {
				return adapterRefs(base(module+".weight"), side)
			}
		}
		refs := base(name)
		for _, r := range refs {
			if module, value := cutValue(r.name); module != "" {
				wrapped := r
				wrapped.name = module + ".base_layer." + value
				if module, value := cutValue(r.times); r.times != "" {
					wrapped.times = module + ".base_layer." + value
				}
				refs = append(refs, wrapped)
			}
		}
		return refs
	}
}

// adapterRefs are the names of one side of the adapters of some layers. B has as many rows as the
// layer's weights, A does not depend on the rows.
func adapterRefs(layers []ref, side string) (list []ref) {
	for _, r := range layers {
		module, _ := cutValue(r.name)
		if side == loraA {
			r = whole("")
		}
		for _, end := range []string{".weight", ".default.weight"} {
			list = append(list, ref{name: module + side + end, part: r.part, parts: r.parts})
		}
	}
	return list
}

// ownAdapters finds the adapters in the backbone's own file.
func (b *Backbone) ownAdapters() error {
	l := &b.layout
	for _, t := range l.file.Tensors() {
		if name, ok := strings.CutPrefix(t.Name, l.prefix); ok && strings.Contains(name, loraA+".") {
			alpha, err := statedAlpha(l.file)
			l.adapters = &adapters{alpha: alpha}
			return err
		}
	}
	return nil
}

// adapterLayout says where the backbone's adapters are.
func (b *Backbone) adapterLayout() *layout {
	if a := b.layout.adapters; a != nil && a.layout != nil {
		return a.layout
	}
	return &b.layout
}

// Adapters says how many linear layers of the backbone have an adapter and which ranks these have,
// in increasing order.
func (b *Backbone) Adapters() (count int, ranks []int) {
	if b.layout.adapters == nil {
		return 0, nil
	}
	l := b.adapterLayout()
	for _, t := range l.file.Tensors() {
		name, ok := strings.CutPrefix(t.Name, l.prefix)
		if !ok || !strings.Contains(name, loraA+".") || len(t.Shape) != 2 {
			continue
		}
		count++
		if !slices.Contains(ranks, t.Shape[0]) {
			ranks = append(ranks, t.Shape[0])
		}
	}
	slices.Sort(ranks)
	return count, ranks
}

// adapted adds NAME.weight [out, in] and, if bias is set, NAME.bias to the result of channelsFirst,
// like linear, with the layer's adapter if it has one.
func (b *builder) adapted(x *graph.Node, name string, in, out int, bias bool) *graph.Node {
	var add *graph.Node
	if bias {
		add = b.param(name+".bias", []int{out}, initZero, in)
	}
	weight := declared{name: name + ".weight", shape: []int{out, in}, kind: initUniform, fanIn: in, trainable: true}
	a := b.adapterOf(name, in, out)
	if a == nil && b.form.Blocked {
		weight.as = []int{out, in, 1, 1}
	}
	w := b.declare(weight)
	if a != nil {
		if a.apart {
			low := b.once(a.name, func() *graph.Node { return graph.Scale(graph.Linear(x, a.a, nil), a.factor) })
			return graph.Add(graph.Linear(x, w, add), graph.Linear(low, a.b, nil))
		}
		w = graph.Add(w, graph.Scale(graph.MatMul(a.b, a.a), a.factor))
	}
	if !b.form.Blocked {
		return graph.Linear(x, w, add)
	}
	return graph.Conv(x, graph.Reshape(w, out, in, 1, 1), add, graph.ConvOptions{})
}

// adapterNodes are an adapter in the graph.
type adapterNodes struct {
	name   string
	a, b   *graph.Node // [rank, in], [out, rank]
	factor float64
	apart  bool // B (A x) is computed next to W x, so that A and B can be trained
}

// adapterOf declares the adapter of a linear layer; nil if it has none.
func (b *builder) adapterOf(name string, in, out int) *adapterNodes {
	if b.lora != nil {
		return b.trainedAdapter(name, in, out)
	}
	if b.part == nil || b.part.layout.adapters == nil {
		return nil
	}
	set := b.part.adapters
	own := b.part
	if set.layout != nil {
		if b.added == nil {
			b.added = &part{set.layout, own.scope}
		}
		b.part = b.added
		defer func() { b.part = own }()
	}
	t, _, ok := b.part.find(name + loraA + ".weight")
	if !ok || len(t.Shape) == 0 {
		return nil
	}
	rank := t.Shape[0]
	n := &adapterNodes{name: name, factor: set.factor(rank)}
	n.a = b.param(name+loraA+".weight", []int{rank, in}, initUniform, in)
	n.b = b.param(name+loraB+".weight", []int{out, rank}, initZero, rank)
	return n
}
