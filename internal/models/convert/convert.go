package convert

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
)

// ErrDiffers is wrapped by errors about results that differ from the original's.
var ErrDiffers = errors.New("the result differs from the original")

// Report describes the written file.
type Report struct {
	// Of an ONNX file: its inputs and outputs, and what else its description says.
	Inputs, Outputs []Port
	Notes           []string
	Tensors         int   // in the new file
	Size            int64 // of the new file, in bytes
	// Compared means that both networks were run on Pictures pictures. Difference is then the
	// largest difference between their probabilities.
	Compared   bool
	Difference float64
}

// Pictures is the number of pictures that networks are compared on.
const Pictures = 2

// ErrOwnSize is in errors about networks that see pictures at their own size.
var ErrOwnSize = errors.New("the network sees pictures at their own size")

// oneSize returns an error for a network that has no single size of pictures; what needs one.
func oneSize(m *network.Pretrained, what string) error {
	if m != nil && m.Spec().Mode == network.ModeWhole {
		return fmt.Errorf("%v: %w, and %s is for one size", m.Spec(), ErrOwnSize, what)
	}
	return nil
}

// side returns the side in pixels of the pictures that a network is compared on.
func side(m *network.Pretrained) int {
	if s := m.Spec(); s.Mode == network.ModeTiles {
		return s.Tile
	}
	return m.Spec().Input
}

// probes returns the pictures [Pictures, 3, side, side] in [0, 1] that networks are compared on:
// gradients and waves with edges and noise, always the same.
func probes(side int) []float32 {
	values := make([]float32, Pictures*3*side*side)
	grain := uint64(1)
	for i := range values {
		x, y := i%side, i/side%side
		channel, n := i/side/side%3, i/side/side/3
		// A linear congruential generator with the constants of Knuth's MMIX.
		grain = grain*6364136223846793005 + 1442695040888963407
		u, v := float64(x)/float64(side), float64(y)/float64(side)
		value := 0.5 + 0.3*math.Sin(float64(5+n)*u+float64(channel)) + 0.2*(v-0.5)
		if (x*5/side+y*7/side+channel+n)%3 == 0 {
			value = 1 - value
		}
		values[i] = float32(min(max(value+0.1*(float64(grain>>40)/(1<<24)-0.5), 0), 1))
	}
	return values
}

// normalised returns pictures with the normalisation that networks of this program expect.
func normalised(values []float32, side int) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		channel := i / side / side % 3
		out[i] = (v - network.Mean[channel]) / network.Std[channel]
	}
	return out
}

// run loads a program that takes pictures, runs it once and closes it.
func run(ctx context.Context, e *engine.Engine, p network.Program, pictures []float32, side int) (map[string]*engine.Tensor, error) {
	image, err := engine.NewTensor([]int{Pictures, 3, side, side}, pictures)
	if err != nil {
		return nil, err
	}
	return runOn(ctx, e, p, map[string]*engine.Tensor{network.PortImage: image})
}

// runOn is run for a program with other inputs.
func runOn(ctx context.Context, e *engine.Engine, p network.Program, inputs map[string]*engine.Tensor) (map[string]*engine.Tensor, error) {
	// The weights are used for one run: packing them would take longer than it saves.
	session, err := e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder, LowMemory: true})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Run(ctx, inputs, nil)
}

// original returns a model's logits for the probes.
func original(ctx context.Context, e *engine.Engine, m *network.Pretrained) ([]float32, error) {
	var out map[string]*engine.Tensor
	var err error
	if uses := m.Uses(); len(uses) > 1 && uses[0].Backbone.Side() != uses[1].Backbone.Side() {
		out, err = runParts(ctx, e, m) // it has no single program
	} else {
		size := side(m)
		var p network.Program
		if p, err = m.Program(size, size); err != nil {
			return nil, err
		}
		out, err = run(ctx, e, p, normalised(probes(size), size), size)
	}
	if err != nil {
		return nil, err
	}
	logits := out[network.PortLogits].Float32s()
	return logits, network.CheckNaN(m.Path(), logits)
}

// runParts runs a model's backbones, each on the probes of its own size, and its decoder.
func runParts(ctx context.Context, e *engine.Engine, m *network.Pretrained) (map[string]*engine.Tensor, error) {
	features := map[string]*engine.Tensor{}
	for i, u := range m.Uses() {
		size := u.Backbone.Side()
		p, err := u.Backbone.Program(u.Layer)
		if err != nil {
			return nil, err
		}
		out, err := run(ctx, e, p, normalised(probes(size), size), size)
		if err != nil {
			return nil, err
		}
		features[network.FeatureInput(i)] = out[u.Layer]
	}
	p, err := m.Decoder()
	if err != nil {
		return nil, err
	}
	return runOn(ctx, e, p, features)
}

// difference returns the largest difference between the probabilities of two lists of logits; it is
// an error if one of them is NaN.
func difference(a, b []float32) (float64, error) {
	if len(a) != len(b) {
		return 0, fmt.Errorf("%w: %d logits, expected %d", ErrDiffers, len(b), len(a))
	}
	largest := 0.0
	for i := range a {
		d := math.Abs(numeric.Sigmoid(float64(a[i])) - numeric.Sigmoid(float64(b[i])))
		if !(d <= largest) {
			largest = d
		}
		if math.IsNaN(d) {
			return 0, fmt.Errorf("%w: a logit is %g, expected %g", ErrDiffers, b[i], a[i])
		}
	}
	return largest, nil
}
