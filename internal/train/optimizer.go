package train

import (
	"math"
	"sync"

	"github.com/declip/declip/internal/nn/network"
)

// PyTorch's constants of AdamW, which are the published ones.
const (
	beta1   = 0.9   // decay of the running mean of gradients
	beta2   = 0.999 // decay of the running mean of their squares
	epsilon = 1e-8  // added to the denominator
)

// optimizer moves parameters by their gradients, in place. It is a loop here and not a part of the step's graph, because
// a graph would write new values beside the old ones: of a large decoder that is half a gigabyte more.
type optimizer struct {
	kind  string // AdamW or SGD
	decay float64
	clip  float64 // largest global norm of the gradient; 0 = no limit
}

// slot is a parameter with its gradient and, for AdamW, the two running means.
type slot struct{ value, grad, m, v []float32 }

// stretch is how many values are worked on at a time, by whichever goroutine is free. Sums over stretches are added in
// their order, so that a result does not depend on how many goroutines there are.
const stretch = 1 << 16

// states are what the optimizer keeps for a parameter: zeros.
func (o optimizer) states(p network.Param) []network.Param {
	if o.kind == SGD {
		return nil
	}
	state := func(name string) network.Param {
		return network.Param{Name: name + p.Name, Shape: p.Shape, Data: make([]float32, len(p.Data))}
	}
	return []network.Param{state("m."), state("v.")}
}

// norm is the square root of the sum of all squared gradients.
func (o optimizer) norm(slots []slot, workers int) float64 {
	sums := make([][]float64, len(slots))
	for i, s := range slots {
		sums[i] = make([]float64, (len(s.grad)+stretch-1)/stretch)
	}
	each(slots, workers, func(i, from, to int) {
		sum := 0.0
		for _, g := range slots[i].grad[from:to] {
			sum += float64(g) * float64(g)
		}
		sums[i][from/stretch] = sum
	})
	total := 0.0
	for _, list := range sums {
		for _, sum := range list {
			total += sum
		}
	}
	return math.Sqrt(total)
}

// step takes step t = 1, 2, ... with gradients of the given norm.
func (o optimizer) step(slots []slot, t int64, rate, norm float64, workers int) {
	scale := float32(1)
	if o.clip > 0 && norm > o.clip {
		scale = float32(o.clip / norm)
	}
	if o.kind == SGD {
		each(slots, workers, func(i, from, to int) { o.sgd(slots[i], from, to, float32(rate), scale) })
		return
	}
	// 1 / (1 - beta^t) makes up for means that began at zero.
	size := float32(rate / (1 - math.Pow(beta1, float64(t))))
	root := float32(1 / math.Sqrt(1-math.Pow(beta2, float64(t))))
	keep := float32(1 - rate*o.decay)
	each(slots, workers, func(i, from, to int) {
		s := slots[i]
		adamW(s.value[from:to], s.grad[from:to], s.m[from:to], s.v[from:to], size, root, keep, scale)
	})
}

// adamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in PyTorch's order of operations.
func adamW(value, grad, m, v []float32, size, root, keep, scale float32) {
	grad, m, v = grad[:len(value)], m[:len(value)], v[:len(value)]
	for i, p := range value {
		g := grad[i] * scale
		mean := float32(m[i]*beta1) + float32(g*(1-beta1))
		square := float32(v[i]*beta2) + float32(float32(g*g)*(1-beta2))
		m[i], v[i] = mean, square
		below := float32(float32(math.Sqrt(float64(square)))*root) + epsilon
		value[i] = float32(p*keep) - float32(size*(mean/below))
	}
}

// sgd is gradient descent without momentum: value - rate (grad + decay value).
func (o optimizer) sgd(s slot, from, to int, rate, scale float32) {
	value, grad, decay := s.value[from:to], s.grad[from:to], float32(o.decay)
	for i, p := range value {
		value[i] = p - float32(rate*(float32(grad[i]*scale)+float32(decay*p)))
	}
}

// each calls f for every stretch of every slot.
func each(slots []slot, workers int, f func(slot, from, to int)) {
	type piece struct{ slot, from, to int }
	pieces := make(chan piece, 64)
	var group sync.WaitGroup
	for range max(1, workers) {
		group.Go(func() {
			for p := range pieces {
				f(p.slot, p.from, p.to)
			}
		})
	}
	for i, s := range slots {
		for from := 0; from < len(s.value); from += stretch {
			pieces <- piece{i, from, min(from+stretch, len(s.value))}
		}
	}
	close(pieces)
	group.Wait()
}
