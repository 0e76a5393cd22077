package graph

import "math"

// AdamWOptions are the constants of AdamW, which tests build of graph operations to compare a
// whole step with PyTorch. Trainings use package optimizer.
type AdamWOptions struct {
	Beta1, Beta2 float64 // decay of the running moments; PyTorch: 0.9, 0.999
	Epsilon      float64 // added to the denominator; PyTorch: 1e-8
	WeightDecay  float64 // decoupled decay per step, times the learning rate
}

// AdamWStep holds the scalars that change from step to step, usually inputs
// of the graph; [AdamWOptions.Corrections] computes two of them.
type AdamWStep struct {
	Rate        *Node // learning rate
	Correction1 *Node // 1 / (1 - beta1^t)
	Correction2 *Node // 1 / sqrt(1 - beta2^t)
}

// Corrections returns the factors for the moments' bias in step t = 1, 2, ...
func (o AdamWOptions) Corrections(t int) (first, second float32) {
	first = float32(1 / (1 - math.Pow(o.Beta1, float64(t))))
	second = float32(1 / math.Sqrt(1-math.Pow(o.Beta2, float64(t))))
	return first, second
}

// AdamW is one step of Adam with decoupled weight decay (Loshchilov and
// Hutter, 2019; the order of operations is PyTorch's). It returns the new
// parameter and the new first and second moments, all of param's shape.
func AdamW(param, grad, m, v *Node, step AdamWStep, o AdamWOptions) (newParam, newM, newV *Node) {
	newM = Add(Scale(m, o.Beta1), Scale(grad, 1-o.Beta1))
	newV = Add(Scale(v, o.Beta2), Scale(Mul(grad, grad), 1-o.Beta2))
	if o.WeightDecay != 0 {
		param = Mul(param, Sub(scalar(param, 1), Scale(step.Rate, o.WeightDecay)))
	}
	size := Add(Mul(Sqrt(newV), step.Correction2), scalar(param, o.Epsilon))
	newParam = Sub(param, Mul(Mul(step.Rate, step.Correction1), Div(newM, size)))
	return newParam, newM, newV
}
