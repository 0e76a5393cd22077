package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// checkpoint is a network to compare, in the form of its published files.
type checkpoint struct {
	arch, layer, decoder string
	legacy               bool // PyTorch's format before it was a zip archive
	lowMemory            bool // compare with mapped weights, too
}

var checkpoints = []checkpoint{
	{arch: "ViT-L/14", layer: "layer20", decoder: "conv-20", lowMemory: true},
	{arch: "ViT-L/14", layer: "layer0", decoder: "conv-4"},
	{arch: "ViT-L/14", layer: "layer8", decoder: "linear"},
	{arch: "ViT-L/14", layer: "layer23", decoder: "attention"},
	{arch: "ViT-L/14", layer: "layer12", decoder: "conv-12", legacy: true},
	{arch: "ViT-L/14@336px", layer: "layer20", decoder: "conv-4"},
	{arch: "ViT-B/32", layer: "layer11", decoder: "conv-4"},
	{arch: "ViT-B/16", layer: "layer9", decoder: "attention"},
	{arch: "RN50", layer: "layer1", decoder: "conv-4"},
	{arch: "RN50", layer: "layer2", decoder: "conv-12"},
	{arch: "RN50", layer: "layer3", decoder: "conv-20", lowMemory: true},
	{arch: "RN50", layer: "layer4", decoder: "conv-4", legacy: true},
	{arch: "RN50", layer: "layer3", decoder: "linear"},
	{arch: "RN101", layer: "layer3", decoder: "linear"},
	{arch: "RN50x4", layer: "layer4", decoder: "conv-4"},
	{arch: "xceptionnet", decoder: "linear"},
	{arch: "ViT-L/14,RN50", layer: "layer20", decoder: "conv-20", lowMemory: true},
	{arch: "ViT-L/14,RN50", layer: "layer1", decoder: "conv-4"},
}

func (c checkpoint) String() string {
	text := strings.Join(strings.Fields(c.arch+" "+c.layer+" "+c.decoder), " ")
	if c.legacy {
		text += ", legacy"
	}
	return text
}

// networks compares all networks.
func (p *parity) networks() error {
	fmt.Printf("\n%-52s %12s %12s %14s\n", "networks, largest difference of", "probability", "logit", "of logits up to")
	for _, c := range checkpoints {
		if !strings.Contains(c.String(), p.only) {
			continue
		}
		if err := p.network(c); err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
	}
	return nil
}

func (p *parity) network(c checkpoint) error {
	folder, err := os.MkdirTemp(p.work, "weights")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	request := map[string]any{"do": "make", "name": c.String(), "arch": c.arch, "layer": c.layer, "decoder": c.decoder,
		"legacy": c.legacy, "folder": folder}
	var made struct{ Files []string }
	if err := p.twin.Ask(request, &made); err != nil {
		return err
	}
	out := filepath.Join(p.work, "logits")
	request = map[string]any{"do": "run", "name": c.String(), "pictures": p.pictures, "logits": out}
	if err := p.twin.Ask(request, &struct{}{}); err != nil {
		return err
	}
	want, err := twin.ReadFloats(out)
	if err != nil {
		return err
	}
	var files []*weights.File
	for _, path := range made.Files {
		f, err := weights.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	m, err := network.OpenPretrained(files[0], network.Override{}, files[1:]...)
	if err != nil {
		return err
	}
	if spec := m.Spec(); c.arch != spec.Arch || c.layer != spec.Layer || c.decoder != spec.Decoder {
		return fmt.Errorf("recognised as %v", spec)
	}
	for _, low := range []bool{false, true} {
		if low && !c.lowMemory {
			continue
		}
		got, err := p.logits(m, low)
		if err != nil {
			return err
		}
		line := c.String()
		if low {
			line += ", low memory"
		}
		p.compare(line, got, want)
	}
	return nil
}

// logits runs all pictures as one batch.
func (p *parity) logits(m *network.Pretrained, low bool) ([]float32, error) {
	form := network.Form{Blocked: p.engine.Blocks() && !low, Winograd: p.engine.Winograd()}
	features := map[string]*engine.Tensor{}
	for i, u := range m.Uses() {
		chain, err := u.Backbone.Chain(form, 4, u.Layer)
		if err != nil {
			return nil, err
		}
		image, err := p.image(u.Backbone.Side())
		if err != nil {
			return nil, err
		}
		inputs := map[string]*engine.Tensor{network.PortImage: image}
		for _, program := range chain {
			out, err := p.run(program, low, inputs)
			if err != nil {
				return nil, err
			}
			features[network.FeatureInput(i)] = out[u.Layer]
			inputs = map[string]*engine.Tensor{network.Carried: out[network.Carry]}
		}
	}
	program, err := m.DecoderIn(form)
	if err != nil {
		return nil, err
	}
	out, err := p.run(program, low, features)
	if err != nil {
		return nil, err
	}
	return out[network.PortLogits].Float32s(), nil
}

func (p *parity) image(side int) (*engine.Tensor, error) {
	var data []float32
	for _, file := range p.pictures {
		decoded, err := picture.Open(file, picture.Limits{MaxPixels: picture.DefaultMaxPixels})
		if err != nil {
			return nil, err
		}
		planes := make([]float32, 3*side*side)
		picture.Normalization{Mean: network.Mean, Std: network.Std}.Planes(planes, picture.Resize(decoded.RGB, side, side))
		data = append(data, planes...)
	}
	return engine.NewTensor([]int{len(p.pictures), 3, side, side}, data)
}

func (p *parity) run(program network.Program, low bool, inputs map[string]*engine.Tensor) (map[string]*engine.Tensor, error) {
	session, err := p.engine.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder, LowMemory: low})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Run(context.Background(), inputs, nil)
}

// compare prints one line.
func (p *parity) compare(what string, got, want []float32) {
	if len(got) != len(want) {
		fmt.Printf("%-52s %d logits, PyTorch has %d  %s\n", what, len(got), len(want), p.verdict(false))
		return
	}
	largest, logit, probability := 0.0, 0.0, 0.0
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		logit = max(logit, math.Abs(float64(w-got[i])))
		probability = max(probability, math.Abs(numeric.Sigmoid(float64(w))-numeric.Sigmoid(float64(got[i]))))
	}
	fmt.Printf("%-52s %12.1e %12.1e %14.2f  %s\n", what, probability, logit, largest,
		p.verdict(probability <= mostProbability && logit <= mostLogit*largest))
}
