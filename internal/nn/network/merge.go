package network

import (
	"context"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/parallel"
)

// Merged lists the tensors of the model with its adapters added to the weights that they belong to,
// and the metadata by which Recognise finds that model. A model without adapters is an error.
func (m *Pretrained) Merged() ([]RequiredTensor, map[string]string, error) {
	adapted := false
	for _, d := range m.distinct() {
		adapted = adapted || d.backbone.layout.adapters != nil
	}
	if !adapted {
		return nil, nil, fmt.Errorf("%s: %v has no adapters to merge", m.Path(), m.spec)
	}
	all, err := m.Tensors()
	if err != nil {
		return nil, nil, err
	}
	spec := m.spec
	spec.Arch, spec.LoRA = m.arch(), nil
	metadata := map[string]string{SpecKey: spec.json()}
	var list []RequiredTensor
	for _, r := range all {
		if strings.Contains(r.Name, ".lora_") {
			continue
		}
		for _, d := range m.distinct() {
			if err := d.backbone.merge(&r); err != nil {
				return nil, nil, err
			}
		}
		r.Name = strings.Replace(r.Name, ".base_layer.", ".", 1)
		list = append(list, r)
	}
	return list, metadata, nil
}

// merge sets r.Merge if the tensor is the weight of layers that have an adapter.
func (b *Backbone) merge(r *RequiredTensor) error {
	d, ok := b.tower.(dino)
	if !ok || b.layout.adapters == nil || r.File != b.layout.file {
		return nil
	}
	var shares []adapterShare
	for i := range d.blocks {
		for _, layer := range d.linears() {
			name := fmt.Sprintf("blocks.%d.%s", i, layer)
			t, share, ok := b.layout.find(name + ".weight")
			if !ok || t.Name != r.Tensor.Name {
				continue
			}
			if _, _, ok := b.adapterLayout().find(name + loraA + ".weight"); ok {
				shares = append(shares, adapterShare{name, share})
			}
		}
	}
	if shares == nil {
		return nil
	}
	if len(r.Tensor.Shape) != 2 {
		return fmt.Errorf("%s: tensor %q has shape %v, expected 2 dimensions", r.File.Path(), r.Tensor.Name, r.Tensor.Shape)
	}
	file, name := r.File, r.Tensor.Name
	r.Merge = func(ctx context.Context) ([]float32, error) {
		data, err := file.Float32s(name)
		for _, s := range shares {
			if err != nil {
				break
			}
			err = b.addAdapter(ctx, s, data, r.Tensor.Shape[1])
		}
		return data, err
	}
	return nil
}

// adapterShare is a layer with an adapter, and the share of a tensor's rows that are its weights.
type adapterShare struct {
	name string
	ref  ref
}

// linears are the linear layers of a block.
func (d dino) linears() []string {
	list := []string{"attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.proj"}
	if d.gated {
		return append(list, "mlp.w1", "mlp.w2", "mlp.w3")
	}
	return append(list, "mlp.fc1", "mlp.fc2")
}

// addAdapter adds factor B A to a share of the rows of data [rows, in].
func (b *Backbone) addAdapter(ctx context.Context, s adapterShare, data []float32, in int) error {
	l := b.adapterLayout()
	t, _, _ := l.find(s.name + loraA + ".weight")
	if len(t.Shape) != 2 {
		return fmt.Errorf("%s: tensor %q has shape %v, expected 2 dimensions", l.file.Path(), t.Name, t.Shape)
	}
	rank := t.Shape[0]
	low, err := l.values(s.name+loraA+".weight", []int{rank, in})
	if err != nil {
		return err
	}
	rows := share(data, s.ref)
	out := len(rows) / in
	high, err := l.values(s.name+loraB+".weight", []int{out, rank})
	if err != nil {
		return err
	}
	factor := float32(b.layout.adapters.factor(rank))
	return parallel.For(ctx, out, 0, func(_ context.Context, i int) error {
		row := rows[i*in:][:in]
		for k, weight := range high[i*rank:][:rank] {
			weight *= factor
			for j, v := range low[k*in:][:in] {
				row[j] += weight * v
			}
		}
		return nil
	})
}

// Stream returns the tensor to be written to a file: with its adapters merged, in float32, if Merge
// is set, and otherwise in the given type.
func (r RequiredTensor) Stream(ctx context.Context, dtype weights.DType) (weights.Stream, error) {
	if r.Merge == nil {
		return r.File.Stream(r.Tensor.Name, r.Name, dtype)
	}
	return weights.StreamFloat32s(r.Name, r.Tensor.Shape, func() ([]float32, error) { return r.Merge(ctx) }), nil
}
