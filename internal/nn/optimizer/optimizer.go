package optimizer

import (
	"math"

	"github.com/declip/declip/internal/parallel"
)

// Optimizer is an update rule with its constants.
type Optimizer struct {
	Kind Kind
	// Beta1 and Beta2 are AdamW's decays of the running means of gradients and of their squares.
	Beta1, Beta2 float64
	Epsilon      float64 // added to AdamW's denominator
	Decay        float64 // weight decay
	Clip         float64 // largest global norm of the gradients; 0 means no limit
}

// Kind names an update rule.
type Kind string

// The update rules.
const (
	AdamW Kind = "adamw" // Adam with decoupled weight decay (Loshchilov and Hutter, 2019)
	SGD   Kind = "sgd"   // gradient descent without momentum
)

// New returns an optimizer with PyTorch's constants, without weight decay and clipping.
func New(kind Kind) Optimizer {
	return Optimizer{Kind: kind, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// Slot is a parameter with its gradient and, for AdamW, the two running means. All have equal
// lengths.
type Slot struct{ Value, Grad, M, V []float32 }

// chunk is the number of values that a goroutine takes at a time. Sums over chunks are added in
// their order, so that a result does not depend on the number of goroutines.
const chunk = 1 << 16

// Moments returns the prefixes of the names of the running means that a Slot needs: first M, then
// V. It is empty for SGD.
func (o Optimizer) Moments() []string {
	if o.Kind == SGD {
		return nil
	}
	return []string{"m.", "v."}
}

// Norm returns the square root of the sum of all squared gradients.
func (o Optimizer) Norm(slots []Slot, workers int) float64 {
	sums := make([][]float64, len(slots))
	for i, s := range slots {
		sums[i] = make([]float64, (len(s.Grad)+chunk-1)/chunk)
	}
	each(slots, workers, func(i, from, to int) {
		sum := 0.0
		for _, g := range slots[i].Grad[from:to] {
			sum += float64(g) * float64(g)
		}
		sums[i][from/chunk] = sum
	})
	total := 0.0
	for _, list := range sums {
		for _, sum := range list {
			total += sum
		}
	}
	return math.Sqrt(total)
}

// Step takes step t = 1, 2, ... at a learning rate, with gradients of the given norm.
func (o Optimizer) Step(slots []Slot, t int64, rate, norm float64, workers int) {
	scale := float32(1)
	if o.Clip > 0 && norm > o.Clip {
		scale = float32(o.Clip / norm)
	}
	if o.Kind == SGD {
		each(slots, workers, func(i, from, to int) { o.sgd(slots[i], from, to, float32(rate), scale) })
		return
	}
	// 1 / (1 - beta^t) corrects the bias of means that started at zero.
	o.adamW(slots, workers, factors{
		size:  float32(rate / (1 - math.Pow(o.Beta1, float64(t)))),
		root:  float32(1 / math.Sqrt(1-math.Pow(o.Beta2, float64(t)))),
		keep:  float32(1 - rate*o.Decay),
		scale: scale,
	})
}

// StepFloat32 is Step of AdamW with a learning rate in float32, rounded where a graph of float32
// operations rounds, without weight decay and clipping.
func (o Optimizer) StepFloat32(slots []Slot, t int64, rate float32, workers int) {
	o.adamW(slots, workers, factors{
		size:  rate * float32(1/(1-math.Pow(o.Beta1, float64(t)))),
		root:  float32(1 / math.Sqrt(1-math.Pow(o.Beta2, float64(t)))),
		keep:  1,
		scale: 1,
	})
}

// factors are what AdamW multiplies by in one step.
type factors struct {
	size  float32 // learning rate over the first mean's bias
	root  float32 // 1 / square root of the second mean's bias
	keep  float32 // weight decay
	scale float32 // of the gradients
}

// adamW is in PyTorch's order of operations.
func (o Optimizer) adamW(slots []Slot, workers int, f factors) {
	beta1, beta2, epsilon := float32(o.Beta1), float32(o.Beta2), float32(o.Epsilon)
	rest1, rest2 := float32(1-o.Beta1), float32(1-o.Beta2)
	each(slots, workers, func(k, from, to int) {
		s := slots[k]
		value, grad, m, v := s.Value[from:to], s.Grad[from:to], s.M[from:to], s.V[from:to]
		grad, m, v = grad[:len(value)], m[:len(value)], v[:len(value)]
		for i, p := range value {
			g := grad[i] * f.scale
			mean := float32(m[i]*beta1) + float32(g*rest1)
			square := float32(v[i]*beta2) + float32(float32(g*g)*rest2)
			m[i], v[i] = mean, square
			below := float32(float32(math.Sqrt(float64(square)))*f.root) + epsilon
			value[i] = float32(p*f.keep) - float32(f.size*(mean/below))
		}
	})
}

// sgd is value - rate (grad + decay value).
func (o Optimizer) sgd(s Slot, from, to int, rate, scale float32) {
	value, grad, decay := s.Value[from:to], s.Grad[from:to], float32(o.Decay)
	for i, p := range value {
		value[i] = p - float32(rate*(float32(grad[i]*scale)+float32(decay*p)))
	}
}

// each calls f for every chunk of every slot.
func each(slots []Slot, workers int, f func(slot, from, to int)) {
	type piece struct{ slot, from, to int }
	var pieces []piece
	for i, s := range slots {
		for from := 0; from < len(s.Value); from += chunk {
			pieces = append(pieces, piece{i, from, min(from+chunk, len(s.Value))})
		}
	}
	parallel.Each(len(pieces), workers, func(i int) {
		parallel.Point("optimizer")
		p := pieces[i]
		f(p.slot, p.from, p.to)
	})
}
