package graph

import (
	"errors"
	"fmt"
)

// Gradients returns the derivative of a loss (one element) by each of the nodes wrt, as nodes of
// the same graph and of wrt's shapes. The gradient by a node that the loss does not depend on is
// zero. Reverse mode: each operation's rule is applied once, starting at the loss.
func Gradients(loss *Node, wrt []*Node) []*Node {
	g := owner([]*Node{loss})
	grads := make([]*Node, len(wrt))
	spoiled := func(err error) []*Node {
		for i := range grads {
			grads[i] = &Node{graph: g, bad: true}
		}
		if err != nil {
			g.fail(fmt.Errorf("gradients: %w", err))
		}
		return grads
	}
	if loss == nil {
		return spoiled(errNilNode)
	}
	if loss.bad {
		return spoiled(nil)
	}
	if n, closed := product(loss.shape); n != 1 || !closed {
		return spoiled(fmt.Errorf("loss has shape %v, expected one element", loss.shape))
	}
	for _, n := range wrt {
		if n == nil || n.graph != g {
			return spoiled(errors.New("a node to differentiate by is missing or of another graph"))
		}
		if n.bad {
			return spoiled(nil)
		}
	}
	sums := backward(loss, wrt)
	for i, n := range wrt {
		if grads[i] = sums[n]; grads[i] == nil {
			grads[i] = ExpandLike(g.Scalar(0), n)
		}
	}
	return grads
}

// backward walks the calls between wrt and the loss in reverse and sums up
// each node's gradient.
func backward(loss *Node, wrt []*Node) map[*Node]*Node {
	g := loss.graph
	leads := dependents(g, wrt, loss.call.id)
	sums := map[*Node]*Node{}
	again := rebuilt{}
	one := g.Scalar(1)
	sums[loss] = Reshape(one, loss.shape...)
	for id := loss.call.id; id >= 0; id-- {
		c := g.calls[id]
		if !leads[id] {
			continue
		}
		dy := make([]*Node, len(c.out))
		reached := false
		for i, out := range c.out {
			dy[i] = sums[out]
			reached = reached || dy[i] != nil
		}
		if !reached {
			continue
		}
		for i, d := range c.op.gradient(again.call(c), dy) {
			if d == nil {
				continue
			}
			in := c.in[i]
			if !leads[in.call.id] {
				continue
			}
			if sum := sums[in]; sum != nil {
				d = Add(sum, d)
			}
			sums[in] = d
		}
	}
	return sums
}

// dependents marks the calls, up to call last, that depend on the given nodes, and the calls that
// compute these nodes.
func dependents(g *Graph, from []*Node, last int) []bool {
	leads := make([]bool, len(g.calls))
	for _, n := range from {
		leads[n.call.id] = true
	}
	for id := 0; id <= last; id++ {
		for _, in := range g.calls[id].in {
			leads[id] = leads[id] || leads[in.call.id]
		}
	}
	return leads
}

// rebuilt contains values that gradient rules compute again instead of keeping them from the
// forward pass.
type rebuilt map[*Node]*Node

// call is c with rebuilt values among its inputs and outputs.
func (r rebuilt) call(c *call) *call {
	twin := *c
	twin.in, twin.out = make([]*Node, len(c.in)), make([]*Node, len(c.out))
	for i, n := range c.in {
		twin.in[i] = r.node(n)
	}
	for i, n := range c.out {
		twin.out[i] = r.node(n)
	}
	return &twin
}

// node rebuilds the output of a batch normalisation and a ReLU from the convolution's output, which
// the normalisation's own rule keeps in memory anyway. This costs a pass over the values, little
// compared with a dense convolution, and keeps one map of each layer instead of two.
func (r rebuilt) node(n *Node) *Node {
	if relu, ok := n.call.op.(unary); !ok || relu.kind != reluKind {
		return n
	}
	norm := n.call.in[0].call
	b, ok := norm.op.(batchScale)
	if !ok || !dense(norm.in[0].call) {
		return n
	}
	if r[n] == nil {
		// The same numbers, written differently: an engine that finds the same operation twice
		// would keep the first result for the second.
		x, scale, bias, mean, variance := norm.in[0], norm.in[1], norm.in[2], norm.in[3], norm.in[4]
		r[n] = ReLU(BatchNorm(x, scale, bias, mean, Add(variance, scalar(x, b.eps)), 0))
	}
	return r[n]
}

// dense reports whether c is a convolution with a kernel of several taps over all channels.
func dense(c *call) bool {
	k, ok := c.op.(conv)
	return ok && k.Groups == 1 && c.in[1].shape[2]*c.in[1].shape[3] > 1
}
