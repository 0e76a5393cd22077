package autoencoder

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/weights"
)

// Entries of the file's metadata.
const (
	kindKey     = "declip.kind"
	kind        = "autoencoder"
	shapeKey    = "declip.autoencoder"
	trainingKey = "declip.training"
)

// Write saves the autoencoder and the facts about its training as a safetensors file, atomically.
func (c *Codec) Write(path string, s Summary) error {
	shape, err := json.Marshal(c.shape)
	if err != nil {
		return err
	}
	training, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("autoencoder's training: %w", err)
	}
	var tensors []weights.Tensor
	at := 0
	for _, p := range c.shape.parts() {
		tensors = append(tensors, weights.FromFloat32s(p.name, p.shape, c.theta[at:at+p.size()]))
		at += p.size()
	}
	return weights.Write(path, tensors, map[string]string{kindKey: kind, shapeKey: string(shape), trainingKey: string(training)})
}

// Open reads an autoencoder that Write saved.
func Open(e *engine.Engine, path string) (*Codec, Summary, error) {
	c, s, err := open(e, path)
	if err != nil {
		return nil, s, fmt.Errorf("autoencoder %s: %w", path, err)
	}
	return c, s, nil
}

func open(e *engine.Engine, path string) (*Codec, Summary, error) {
	var shape Shape
	var s Summary
	f, err := weights.Open(path)
	if err != nil {
		return nil, s, err
	}
	defer f.Close()
	if got := f.Metadata()[kindKey]; got != kind {
		return nil, s, fmt.Errorf("not an autoencoder made by \"declip forge train-autoencoder\" (%s is %q, expected %q)", kindKey, got, kind)
	}
	if err := json.Unmarshal([]byte(f.Metadata()[shapeKey]), &shape); err != nil {
		return nil, s, fmt.Errorf("entry %s: %w", shapeKey, err)
	}
	if err := json.Unmarshal([]byte(f.Metadata()[trainingKey]), &s); err != nil {
		return nil, s, fmt.Errorf("entry %s: %w", trainingKey, err)
	}
	if err := shape.Validate(); err != nil {
		return nil, s, err
	}
	theta := make([]float32, 0, shape.size())
	for _, p := range shape.parts() {
		values, err := read(f, p)
		if err != nil {
			return nil, s, err
		}
		theta = append(theta, values...)
	}
	c, err := newCodec(e, shape, theta)
	return c, s, err
}

// read gives the values of a part and checks that they are finite.
func read(f *weights.File, p part) ([]float32, error) {
	t, ok := f.Tensor(p.name)
	if !ok {
		return nil, fmt.Errorf("tensor %q is missing", p.name)
	}
	if fmt.Sprint(t.Shape) != fmt.Sprint(p.shape) {
		return nil, fmt.Errorf("tensor %q has shape %v, expected %v", p.name, t.Shape, p.shape)
	}
	values, err := f.Float32s(t.Name)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("tensor %q: value %d is %v", p.name, i, v)
		}
	}
	return values, nil
}
