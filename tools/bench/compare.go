package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/twin"
)

// bench is the state that the comparisons share.
type bench struct {
	options
	work   string
	engine *engine.Engine
	twin   *twin.Twin
	net    *network.Network
	file   string // net, for both sides
}

func compare(b *bench) error {
	torch, numpy := b.twin.Torch, b.twin.Numpy
	fmt.Printf("\n%-44s %10s %10s %8s\n", "", "declip", "other", "ratio")
	if numpy == "" {
		fmt.Printf("(%s has no NumPy: nothing to compare with)\n", b.python)
	} else if torch == "" {
		fmt.Printf("(%s has no PyTorch: its column is empty)\n", b.python)
	}
	xception, err := network.New(network.Spec{Arch: network.ArchXception, Decoder: "conv-4"}, 1)
	if err != nil {
		return err
	}
	xceptionFile := filepath.Join(b.work, "xception.safetensors")
	if err := writeModel(xceptionFile, xception); err != nil {
		return err
	}
	for _, do := range []func() error{
		func() error { return b.forward(b.net, b.file, 7) },
		func() error { return b.forward(xception, xceptionFile, 3) },
		func() error { return b.step(b.net, b.file, 8, 5) },
		func() error { return b.step(xception, xceptionFile, 2, 3) },
		b.evaluate,
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// row prints one comparison; other is empty if there is nothing to compare with.
func row(what string, ours, other []float64, whose string) {
	left := fmt.Sprintf("%.1f ms", 1e3*median(ours))
	if len(other) == 0 {
		fmt.Printf("%-44s %10s %10s %8s\n", what, left, "-", "-")
		return
	}
	right := fmt.Sprintf("%.1f ms", 1e3*median(other))
	fmt.Printf("%-44s %10s %10s %7.2fx  %s\n", what, left, right, median(other)/median(ours), whose)
}

// tolerance is the largest allowed difference of logits, relative to the largest logit. Another
// order of float32 operations causes about 1e-6 per layer, and there are some tens of layers.
const tolerance = 1e-3

// forward compares the time and the logits of one run of a network over a picture of noise.
func (b *bench) forward(net *network.Network, file string, repeats int) error {
	spec := net.Spec()
	side := spec.Input
	if spec.Mode == network.ModeTiles {
		side = spec.Tile
	}
	program, err := net.Inference(side, side)
	if err != nil {
		return err
	}
	session, err := b.engine.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder})
	if err != nil {
		return err
	}
	defer session.Close()
	image := noise(3 * side * side)
	x, err := engine.NewTensor([]int{1, 3, side, side}, image)
	if err != nil {
		return err
	}
	request := map[string]any{"do": "forward", "file": file, "image": filepath.Join(b.work, "image"), "side": side,
		"logits": filepath.Join(b.work, "logits")}
	if err := twin.WriteFloats(request["image"].(string), image); err != nil {
		return err
	}
	var ours, others []float64
	difference := 0.0
	for i := range repeats + 1 {
		began := time.Now()
		out, err := session.Run(context.Background(), map[string]*engine.Tensor{"image": x}, nil)
		if err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		if i == 0 { // warms both sides up, and compares
			if err := twin.WriteFloats(request["logits"].(string), out["logits"].Float32s()); err != nil {
				return err
			}
		}
		answer, err := b.askTorch(request)
		if err != nil {
			return err
		}
		if i == 0 {
			difference = answer.Difference
			continue
		}
		ours = append(ours, took)
		others = appendTime(others, answer)
	}
	note := fmt.Sprintf("PyTorch %s, logits differ by %.1e", b.twin.Torch, difference)
	row(fmt.Sprintf("%v forward, %dx%d", spec, side, side), ours, others, note)
	if !(difference <= tolerance) {
		return fmt.Errorf("%v: logits differ by %g from PyTorch's, relative to the largest; expected at most %g", spec, difference, tolerance)
	}
	return nil
}

// askTorch does nothing without PyTorch.
func (b *bench) askTorch(request map[string]any) (reply, error) {
	if b.twin.Torch == "" {
		return reply{}, nil
	}
	return b.ask(request)
}

// reply is the other side's answer.
type reply struct {
	Seconds    float64            `json:"seconds"`
	Difference float64            `json:"difference"` // largest, relative to the largest value
	Scores     map[string]float64 `json:"scores"`
}

func (b *bench) ask(request map[string]any) (r reply, err error) {
	err = b.twin.Ask(request, &r)
	return r, err
}

func appendTime(times []float64, r reply) []float64 {
	if r.Seconds == 0 {
		return times
	}
	return append(times, r.Seconds)
}

// step compares training steps: forward, backward and AdamW. Ours are those of a real training, and
// the other side takes one after each.
func (b *bench) step(net *network.Network, file string, batch, repeats int) error {
	spec := net.Spec()
	const crop = 192
	side, target := crop, crop/max(spec.Stride, 1)
	if spec.Mode == network.ModeResize {
		side, target = spec.Input, spec.Output
	}
	request := map[string]any{"do": "step", "file": file, "batch": batch, "side": side, "target": target}
	var ours, others []float64
	var failed error
	out, err := os.MkdirTemp(b.work, "train")
	if err != nil {
		return err
	}
	config := train.DefaultConfig()
	config.Network, config.Engine, config.Threads, config.Out, config.Data = net, b.engine, b.threads, out, "noise"
	config.TrainSource = dataset.Generated{Count: batch, ID: "noise", Make: noisyPicture}
	config.BatchSize, config.CropSize, config.Epochs, config.EpochPictures = batch, crop, 1, batch*(repeats+1)
	config.Workers, config.Seed = 1, 1
	config.Hooks.Step = func(s train.StepReport) {
		answer, err := b.askTorch(request)
		if err != nil && failed == nil {
			failed = err
		}
		if s.Step > 1 { // the first warms both sides up
			ours = append(ours, s.Engine.Seconds())
			others = appendTime(others, answer)
		}
	}
	if _, err := train.Run(context.Background(), config); err != nil {
		return err
	}
	row(fmt.Sprintf("%v step, %d of %dx%d", spec, batch, side, side), ours, others, "PyTorch "+b.twin.Torch)
	return failed
}

// noisyPicture is a picture of noise with a square marked.
func noisyPicture(_ context.Context, i int) (dataset.Sample, error) {
	const side = 256
	r := rand.New(rand.NewPCG(uint64(i), 3))
	p, m := picture.NewRGB(side, side), picture.NewGray(side, side)
	for k := range p.Pix {
		p.Pix[k] = uint8(r.IntN(256))
	}
	for k := range m.Pix {
		if k%side > 100 && k/side > 100 {
			m.Pix[k] = 255
		}
	}
	return dataset.Sample{Picture: picture.New(p), Mask: m, Name: fmt.Sprint(i)}, nil
}

func noise(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 9))
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return data
}
