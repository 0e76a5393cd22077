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
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/memory"
	"github.com/declip/declip/tools/twin"
)

// The slowest of the published decoders, on a transformer's tokens.
const (
	stepChannels = 1024
	stepGrid     = 16
	stepDecoder  = "conv-20"
)

// benchTraining measures training steps of a decoder on features of a frozen backbone (forward,
// backward and AdamW): the time with batches of 4, the peak memory with a batch of 16, each in its
// own process.
func benchTraining(o options, work string) error {
	clip := filepath.Join(work, "clip.safetensors")
	tower := networktest.Tensors(networktest.ViT("visual.", stepChannels, 14, 1, stepGrid))
	if err := weights.Write(clip, tower, nil); err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(o.twin), "training_torch.py")
	fmt.Printf("\n%-44s %10s %10s %8s\n", "training step of ViT-L/14 "+stepDecoder, "declip", "other", "ratio")
	for _, batch := range []int{4, 16} {
		ours, peak, err := ownSteps(o, clip, batch)
		if err != nil {
			return err
		}
		others, otherPeak, version, err := twinSteps(o, program, batch)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("batch of %d, per picture", batch), ours, others, "PyTorch "+version+", aim: 1x")
		if otherPeak > 0 {
			fmt.Printf("%-44s %7.2f GB %7.2f GB %7.2fx  peak memory, aim: 1x\n", fmt.Sprintf("batch of %d, the process", batch), peak/1e9,
				otherPeak/1e9, otherPeak/peak)
		}
	}
	return nil
}

// repeats is the number of measured steps after a warm-up, lower for slow steps.
func repeats(batch int) int { return max(1, 12/batch) }

// ownSteps takes steps in a separate process. It returns the seconds per picture and the peak
// memory in bytes.
func ownSteps(o options, clip string, batch int) (seconds []float64, peak float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(self, "-threads", fmt.Sprint(o.threads), "-step", fmt.Sprint(batch), "-m", clip)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", cmd, err)
	}
	var steps ownAnswer
	err = json.Unmarshal(out, &steps)
	return steps.Seconds, float64(steps.Peak), err
}

// ownAnswer is what that process prints.
type ownAnswer struct {
	Seconds []float64 `json:"seconds"`
	Peak    int64     `json:"peak"` // bytes, 0 if unknown
}

// takeSteps runs in that process.
func takeSteps(o options) error {
	e, err := engine.Open(engine.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return err
	}
	file, err := weights.Open(o.model)
	if err != nil {
		return err
	}
	defer file.Close()
	backbones, err := network.BackbonesIn([]*weights.File{file})
	if err != nil {
		return err
	}
	model, err := network.NewHead(network.Spec{Arch: backbones[0].Arch(), Layer: "layer0", Decoder: stepDecoder}, backbones, 1)
	if err != nil {
		return err
	}
	side := model.Spec().Output
	config := train.DefaultConfig()
	config.BatchSize = o.step
	step, err := train.NewStep(e, model, config, dataset.Shape{TargetHeight: side, TargetWidth: side})
	if err != nil {
		return err
	}
	defer step.Close()
	tokens := 1 + stepGrid*stepGrid
	features, err := engine.NewTensor([]int{o.step, tokens, stepChannels}, noise(o.step*tokens*stepChannels))
	if err != nil {
		return err
	}
	target, err := engine.NewEmpty([]int{o.step, 1, side, side})
	if err != nil {
		return err
	}
	var seconds []float64
	for i := range repeats(o.step) + 1 {
		began := time.Now()
		if _, _, err := step.Run(context.Background(), []*engine.Tensor{features}, target, int64(i), 1e-3); err != nil {
			return err
		}
		if i > 0 { // the first warms up
			seconds = append(seconds, time.Since(began).Seconds()/float64(o.step))
		}
	}
	return json.NewEncoder(os.Stdout).Encode(ownAnswer{seconds, memory.Own()})
}

// twinSteps is ownSteps for the other side.
func twinSteps(o options, program string, batch int) (seconds []float64, peak float64, version string, err error) {
	other, err := twin.Start(o.python, program, o.threads)
	if err != nil {
		return nil, 0, "", err
	}
	defer other.Stop()
	if other.Torch == "" {
		return nil, 0, "", nil
	}
	for i := range repeats(batch) + 1 {
		var answer struct{ Seconds, Peak float64 }
		request := map[string]any{"do": "step", "name": "bench", "batch": batch, "channels": stepChannels, "depth": 20}
		if err := other.Ask(request, &answer); err != nil {
			return nil, 0, "", err
		}
		peak = answer.Peak
		if i > 0 {
			seconds = append(seconds, answer.Seconds/float64(batch))
		}
	}
	return seconds, peak, other.Torch, nil
}
