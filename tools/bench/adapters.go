package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/memory"
	"github.com/declip/declip/tools/twin"
)

// A training step of adapters and DINOv3-IML's head, and the ratios to reach.
const (
	adaptedArch   = "dinov3-vits16"
	adaptedBatch  = 4
	adaptedSteps  = 5
	aimAdapters   = 1.5
	adaptedMemory = 1.0
)

// stepAnswer is what a process says about a step that it took.
type stepAnswer struct {
	Seconds float64 `json:"seconds"`
	Peak    float64 `json:"peak"` // largest resident memory of the process so far, in bytes
}

// benchAdapters compares a training step of adapters alone.
func benchAdapters(o options, work string) error {
	fmt.Printf("\n%-44s %10s %10s %8s\n", fmt.Sprintf("adapters at %d x %d", dinoSide, dinoSide), "declip", "other", "ratio")
	return adaptedStep(o, work)
}

// adaptedStep lets both sides take turns with training steps, each in a process of its own that
// does nothing else, and compares the times and the largest memory.
func adaptedStep(o options, work string) error {
	dir, err := os.MkdirTemp(work, "adapters")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, checkpoint, err := startDINO(o, adaptedArch, dir)
	if err != nil {
		return err
	}
	defer other.Stop()
	if checkpoint == "" {
		fmt.Printf("%-44s %10s\n", adaptedArch+", step of adapters", "(needs PyTorch to make its weights)")
		return nil
	}
	plain := filepath.Join(dir, "plain.safetensors")
	if err := writeBackbone(checkpoint, plain); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	own, err := twin.StartProgram(self, "-threads", fmt.Sprint(o.threads), "-adapters", fmt.Sprint(adaptedBatch), "-m", plain)
	if err != nil {
		return err
	}
	defer own.Stop()
	request := map[string]any{"do": "step", "batch": adaptedBatch, "side": dinoSide}
	var ours, others []float64
	var mine, theirs stepAnswer
	for i := range adaptedSteps + 1 {
		if err := own.Ask(request, &mine); err != nil {
			return err
		}
		if err := other.Ask(request, &theirs); err != nil {
			return err
		}
		if i > 0 { // the first makes the training and warms up
			ours, others = append(ours, mine.Seconds), append(others, theirs.Seconds)
		}
	}
	row(fmt.Sprintf("%s, step of adapters, batch of %d", adaptedArch, adaptedBatch), ours, others, fmt.Sprintf("PyTorch %s, aim: %gx", other.Torch, aimAdapters))
	fmt.Printf("%-44s %7.2f GB %7.2f GB %7.2fx  peak memory, aim: over %gx\n", "  the process", mine.Peak/1e9, theirs.Peak/1e9, theirs.Peak/mine.Peak, adaptedMemory)
	return nil
}

// writeBackbone writes the backbone of a checkpoint, without its adapters, to a file of its own.
func writeBackbone(checkpoint, path string) error {
	file, err := weights.Open(checkpoint)
	if err != nil {
		return err
	}
	defer file.Close()
	m, err := network.OpenPretrained(file, network.Override{})
	if err != nil {
		return err
	}
	list, _, err := m.Merged()
	if err != nil {
		return err
	}
	var tensors []weights.Tensor
	for _, r := range list {
		t := weights.Tensor{Name: r.Name, DType: r.Tensor.DType, Shape: r.Tensor.Shape}
		if t.Data, err = r.File.Bytes(r.Tensor.Name); err != nil {
			return err
		}
		tensors = append(tensors, t)
	}
	return weights.Write(path, tensors, nil)
}

// takeAdaptedSteps trains adapters and a head on the backbone in -m: for each line of standard
// input it takes a step and prints a stepAnswer.
func takeAdaptedSteps(o options) error {
	e, err := engine.Open(engine.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return err
	}
	file, err := weights.Open(o.model)
	if err != nil {
		return err
	}
	defer file.Close()
	model, err := adaptedModel(file)
	if err != nil {
		return err
	}
	config := train.DefaultConfig()
	config.BatchSize = o.adapters
	shape := dataset.Shape{Height: dinoSide, Width: dinoSide, TargetHeight: dinoSide, TargetWidth: dinoSide}
	step, err := train.NewStep(e, model, config, shape)
	if err != nil {
		return err
	}
	defer step.Close()
	images, err := engine.NewTensor([]int{o.adapters, 3, dinoSide, dinoSide}, noise(o.adapters*3*dinoSide*dinoSide))
	if err != nil {
		return err
	}
	target, err := engine.NewEmpty([]int{o.adapters, 1, dinoSide, dinoSide})
	if err != nil {
		return err
	}
	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(struct{}{}); err != nil { // ready
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for i := int64(0); lines.Scan(); i++ {
		began := time.Now()
		if _, _, err := step.Run(context.Background(), []*engine.Tensor{images}, target, i, 1e-4); err != nil {
			return err
		}
		if err := answers.Encode(stepAnswer{time.Since(began).Seconds(), float64(memory.Own())}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// adaptedModel is a new head with new adapters on the backbone in a file.
func adaptedModel(file *weights.File) (*network.Adapted, error) {
	contents, err := network.Recognise(file)
	if err != nil {
		return nil, err
	}
	spec := network.Spec{Arch: contents.Backbones[0].Arch(), Decoder: network.DecoderConv3}
	head, err := network.NewHead(spec, contents.Backbones, 1)
	if err != nil {
		return nil, err
	}
	return head.Adapted(network.LoRA{Rank: dinoRank}, 1)
}
