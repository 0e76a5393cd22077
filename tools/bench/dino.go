package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/twin"
)

// What is measured of DINOv3-IML, and the ratios to reach.
const (
	dinoSide      = 512
	dinoRepeats   = 5
	dinoRank      = 32
	adaptedBatch  = 4
	adaptedSteps  = 3
	aimDINOSmall  = 2.0
	aimDINOLarge  = 2.5
	aimAdapters   = 1.5
	adaptedMemory = 1.0
)

// benchDINO compares DINOv3-IML on its smallest and largest backbone, with random weights in its
// published layout, with PyTorch: a picture with the head, and a training step of adapters.
func benchDINO(o options, work string) error {
	file := filepath.Join(work, "dino.png")
	if err := picture.WritePNG(file, render(dinoSide, dinoSide)); err != nil {
		return err
	}
	fmt.Printf("\n%-44s %10s %10s %8s\n", fmt.Sprintf("DINOv3-IML at %d x %d", dinoSide, dinoSide), "declip", "other", "ratio")
	for _, c := range []struct {
		name string
		aim  float64
	}{{"dinov3-vits16", aimDINOSmall}, {"dinov3-vitl16", aimDINOLarge}} {
		if err := dinoPicture(o, work, c.name, c.aim, file); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return adaptedStep(o, work)
}

// startDINO starts the other side and makes a checkpoint. checkpoint is "" without PyTorch.
func startDINO(o options, name, dir string) (other *twin.Twin, checkpoint string, err error) {
	other, err = twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "dino_torch.py"), o.threads)
	if err != nil || other.Torch == "" {
		return other, "", err
	}
	var made struct{ Files []string }
	if err := other.Ask(map[string]any{"do": "iml make", "name": name, "rank": dinoRank, "folder": dir}, &made); err != nil {
		other.Stop()
		return nil, "", err
	}
	return other, made.Files[0], nil
}

// dinoPicture lets both sides take turns with a picture. Both end with the map of the network.
func dinoPicture(o options, work, name string, aim float64, file string) error {
	dir, err := os.MkdirTemp(work, "dino")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, checkpoint, err := startDINO(o, name, dir)
	if err != nil {
		return err
	}
	defer other.Stop()
	if checkpoint == "" {
		fmt.Printf("%-44s %10s\n", name, "(needs PyTorch to make its weights)")
		return nil
	}
	m, err := localize.Open(checkpoint, localize.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return err
	}
	defer m.Close()
	decoded, err := picture.Open(file, picture.Limits{})
	if err != nil {
		return err
	}
	var ours, others []float64
	for i := range dinoRepeats + 1 {
		began := time.Now()
		if _, err := m.Localize(context.Background(), decoded); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		var answer struct{ Seconds float64 }
		if err := other.Ask(map[string]any{"do": "time", "side": dinoSide}, &answer); err != nil {
			return err
		}
		if i > 0 { // the first warms both sides up
			ours, others = append(ours, took), append(others, answer.Seconds)
		}
	}
	row(name+" with head, one picture", ours, others, fmt.Sprintf("PyTorch %s, aim: %gx", other.Torch, aim))
	return nil
}

// adaptedStep compares a training step of adapters and head, each side in a process of its own.
func adaptedStep(o options, work string) error {
	const name = "dinov3-vits16"
	dir, err := os.MkdirTemp(work, "adapters")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, checkpoint, err := startDINO(o, name, dir)
	if err != nil {
		return err
	}
	defer other.Stop()
	if checkpoint == "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	plain := filepath.Join(dir, "plain.safetensors")
	if err := writeBackbone(checkpoint, plain); err != nil {
		return err
	}
	cmd := exec.Command(self, "-threads", fmt.Sprint(o.threads), "-adapters", fmt.Sprint(adaptedBatch), "-m", plain)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	var ours, others []float64
	if err := json.Unmarshal(out, &ours); err != nil {
		return err
	}
	peak, otherPeak := peakMemory(cmd.ProcessState), 0.0
	for i := range adaptedSteps + 1 {
		var answer struct{ Seconds, Peak float64 }
		if err := other.Ask(map[string]any{"do": "step", "batch": adaptedBatch, "side": dinoSide}, &answer); err != nil {
			return err
		}
		if otherPeak = answer.Peak; i > 0 {
			others = append(others, answer.Seconds)
		}
	}
	row(fmt.Sprintf("%s, step of adapters, batch of %d", name, adaptedBatch), ours, others, fmt.Sprintf("PyTorch %s, aim: %gx", other.Torch, aimAdapters))
	fmt.Printf("%-44s %7.2f GB %7.2f GB %7.2fx  peak memory, aim: %gx\n", "the process", peak/1e9, otherPeak/1e9, otherPeak/peak, adaptedMemory)
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

// takeAdaptedSteps trains adapters and a head on the backbone in -m and prints the seconds of each
// step.
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
	contents, err := network.Recognise(file)
	if err != nil {
		return err
	}
	spec := network.Spec{Arch: contents.Backbones[0].Arch(), Decoder: network.DecoderConv3}
	head, err := network.NewHead(spec, contents.Backbones, 1)
	if err != nil {
		return err
	}
	model, err := head.Adapted(network.LoRA{Rank: dinoRank}, 1)
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
	var seconds []float64
	for i := range adaptedSteps + 1 {
		began := time.Now()
		if _, _, err := step.Run(context.Background(), []*engine.Tensor{images}, target, int64(i), 1e-4); err != nil {
			return err
		}
		if i > 0 { // the first warms up
			seconds = append(seconds, time.Since(began).Seconds())
		}
	}
	return json.NewEncoder(os.Stdout).Encode(seconds)
}
