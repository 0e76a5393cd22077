package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/twin"
)

// The largest allowed differences after a training step from the same weights.
const (
	mostLoss   = 1e-5 // of the loss
	mostWeight = 1e-4 // updated weights; running statistics relative to their largest
)

// The published decoder on a transformer's tokens, with the default batch size.
const (
	stepChannels, stepGrid, stepBatch = 1024, 16, 4
	stepDecoder                       = "conv-20"
)

// training compares one step of the published training (forward, backward and AdamW) with
// PyTorch's, from the same weights, features and masks.
func (p *parity) training(python, program string, threads int) error {
	what := fmt.Sprintf("training step of ViT-L/14 %s, batch of %d", stepDecoder, stepBatch)
	if !strings.Contains(what, p.only) {
		return nil
	}
	other, err := twin.Start(python, program, threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	head, err := p.head()
	if err != nil {
		return err
	}
	request := map[string]any{"do": "step", "name": "parity", "batch": stepBatch, "channels": stepChannels, "depth": 20,
		"weights": filepath.Join(p.work, "start"), "features": filepath.Join(p.work, "features"),
		"target": filepath.Join(p.work, "target"), "folder": filepath.Join(p.work, "stepped")}
	if err := os.Mkdir(request["folder"].(string), 0o755); err != nil {
		return err
	}
	var tensors []weights.Tensor
	for _, w := range head.Params() {
		tensors = append(tensors, weights.FromFloat32s(w.Name, w.Shape, w.Data))
	}
	if err := weights.Write(request["weights"].(string), tensors, nil); err != nil {
		return err
	}
	side := head.Spec().Output
	features, target := stepInputs(side)
	for name, data := range map[string][]float32{"features": features, "target": target} {
		if err := twin.WriteFloats(request[name].(string), data); err != nil {
			return err
		}
	}
	var answer struct{ Loss float64 }
	if err := other.Ask(request, &answer); err != nil {
		return err
	}
	loss, after, err := p.step(head, train.DefaultConfig(), 1e-3, features, target)
	if err != nil {
		return err
	}
	moves, err := p.moved(after.gradients, features, target)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-52s %12s\n", what, "difference")
	p.compareLoss(loss, answer.Loss)
	if err := p.compareStepped(after.params, moves, request["folder"].(string)); err != nil {
		return err
	}
	return p.updates(other, request, features, target, moves)
}

// stepInputs are random features, and soft masks of side x side pixels: discs that fade out.
func stepInputs(side int) (features, target []float32) {
	r := rand.New(rand.NewPCG(3, 4))
	features = make([]float32, stepBatch*(1+stepGrid*stepGrid)*stepChannels)
	for i := range features {
		features[i] = float32(r.NormFloat64())
	}
	target = make([]float32, stepBatch*side*side)
	for i := range target {
		x, y := float64(i%side-side/3), float64(i/side%side-side/2)
		target[i] = float32(1 / (1 + math.Exp((math.Hypot(x, y)-60)/3)))
	}
	return features, target
}

func (p *parity) compareLoss(ours, theirs float64) {
	off := math.Abs(ours-theirs) / theirs
	fmt.Printf("%-52s %12.1e  %s\n", "loss, relative", off, p.verdict(off <= mostLoss))
}

// head is a new decoder on a transformer of the published width.
func (p *parity) head() (*network.Head, error) {
	path := filepath.Join(p.work, "tower.safetensors")
	tower := networktest.Tensors(networktest.ViT("visual.", stepChannels, 14, 1, stepGrid))
	if err := weights.Write(path, tower, nil); err != nil {
		return nil, err
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	backbones, err := network.BackbonesIn([]*weights.File{file})
	if err != nil {
		return nil, err
	}
	return network.NewHead(network.Spec{Arch: backbones[0].Arch(), Layer: "layer0", Decoder: stepDecoder}, backbones, 1)
}

// stepped is the state after a step.
type stepped struct{ params, gradients []network.Param }

// step takes ours.
func (p *parity) step(head *network.Head, config train.Config, rate float64, features, target []float32) (loss float64, after stepped, err error) {
	side := head.Spec().Output
	step, err := p.open(head, config)
	if err != nil {
		return 0, stepped{}, err
	}
	defer step.Close()
	given, err := engine.NewTensor([]int{stepBatch, 1 + stepGrid*stepGrid, stepChannels}, features)
	if err != nil {
		return 0, stepped{}, err
	}
	masks, err := engine.NewTensor([]int{stepBatch, 1, side, side}, target)
	if err != nil {
		return 0, stepped{}, err
	}
	loss, _, err = step.Run(context.Background(), []*engine.Tensor{given}, masks, 0, rate)
	return loss, stepped{step.Params(), step.Gradients()}, err
}

func (p *parity) open(head *network.Head, config train.Config) (*train.Step, error) {
	side := head.Spec().Output
	config.BatchSize = stepBatch
	return train.NewStep(p.engine, head, config, dataset.Shape{TargetHeight: side, TargetWidth: side})
}

// distinct is the size of a gradient, relative to the largest of its tensor, from which its step is
// compared; where rounding moves the tensor's gradients by more than half of that (see moved), it
// is twice as much as they move. AdamW's first step is the gradient's sign times the rate, so
// rounding decides the step of smaller ones, in PyTorch as well as here.
const distinct = 1e-2

// Kinds of tensors.
const (
	kernels     = "kernels"
	norms       = "norms' scales and biases"
	lastBias    = "the last bias"
	means       = "running means"
	variances   = "running variances"
	lostBiases  = "biases before norms" // which cancel them: their gradients are only rounding errors
	kindsColumn = "%-52s %12.1e  %s\n"
)

func kindOf(list []network.Param, i int) string {
	switch one := list[i]; {
	case strings.HasSuffix(one.Name, ".running_mean"):
		return means
	case strings.HasSuffix(one.Name, ".running_var"):
		return variances
	case len(one.Shape) == 4:
		return kernels
	case i == len(list)-1:
		return lastBias
	case len(list[i-1].Shape) == 4:
		return lostBiases
	}
	return norms
}

// compareStepped prints the largest differences by kind of tensor.
func (p *parity) compareStepped(after []network.Param, moves movement, folder string) error {
	largest, judged, all, same := map[string]float64{}, 0, 0, 0
	for i, ours := range after {
		theirs, err := twin.ReadFloats(filepath.Join(folder, ours.Name))
		if err != nil {
			return err
		}
		kind := kindOf(after, i)
		if kind == lostBiases {
			continue
		}
		decided := func(int) bool { return true }
		if ours.Trainable {
			grad, err := twin.ReadFloats(filepath.Join(folder, gradientOf+ours.Name))
			if err != nil {
				return err
			}
			bound := float32(max(distinct, 2*moves[ours.Name]) * highest(grad))
			decided = func(k int) bool { return grad[k] >= bound || grad[k] <= -bound }
		}
		scale := scaleOf(ours, theirs)
		for k, v := range theirs {
			d := math.Abs(float64(v-ours.Data[k])) / scale
			all++
			if d <= mostWeight {
				same++
			}
			if decided(k) {
				judged++
				largest[kind] = max(largest[kind], d)
			}
		}
	}
	for _, kind := range []string{kernels, norms, lastBias, means, variances} {
		fmt.Printf(kindsColumn, kind, largest[kind], p.verdict(largest[kind] <= mostWeight))
	}
	fmt.Printf("(of %d values %.2f %% agree to %g; judged are those %.1f %% whose gradients are above %g of their tensor's largest and twice its movement)\n",
		all, 100*float64(same)/float64(all), mostWeight, 100*float64(judged)/float64(all), distinct)
	return nil
}

// scaleOf is what differences are relative to: 1 for weights, the largest of the tensor for running
// statistics.
func scaleOf(p network.Param, theirs []float32) float64 {
	if p.Trainable {
		return 1
	}
	return max(1, highest(theirs))
}

// highest is the largest magnitude.
func highest(values []float32) float64 {
	most := 0.0
	for _, v := range values {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}
