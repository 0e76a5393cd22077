package graph

import (
	"errors"
	"fmt"
	"slices"
)

// reshape keeps the elements and their order under another shape.
type reshape struct{ shape []int }

func (reshape) name() string { return "Reshape" }

func (r reshape) infer(in []*Node) ([]value, error) {
	have, want := in[0].shape, slices.Clone(r.shape)
	free := slices.Index(want, -1)
	if free >= 0 && slices.Contains(want[free+1:], -1) {
		return nil, fmt.Errorf("target %v has more than one open dimension", r.shape)
	}
	n, closed := product(have)
	m, _ := product(want)
	if m <= 0 || n <= 0 {
		return nil, fmt.Errorf("shapes %v and %v must be positive", have, r.shape)
	}
	switch {
	case closed && free >= 0:
		if n%m != 0 {
			return nil, fmt.Errorf("shape %v does not fit into %v", have, r.shape)
		}
		want[free] = n / m
	case closed:
		if n != m {
			return nil, fmt.Errorf("shape %v has %d elements, target %v has %d", have, n, r.shape, m)
		}
	case free < 0:
		return nil, fmt.Errorf("shape %v has an open dimension, target %v needs one too", have, r.shape)
	case n%m != 0 && m%n != 0:
		return nil, fmt.Errorf("shape %v does not fit into %v", have, r.shape)
	}
	return []value{{in[0].dtype, want}}, nil
}

func (r reshape) emit(e *encoder, c *call, in, out []string) {
	e.node("Reshape", append(slices.Clone(in), e.ints(c.out[0].shape)), out)
}

func (r reshape) gradient(c *call, dy []*Node) []*Node {
	return []*Node{Reshape(dy[0], c.in[0].shape...)}
}

// Reshape gives x another shape with the same number of elements. One dimension may be -1 and takes
// the rest; it must be the first if x has an open dimension.
func Reshape(x *Node, shape ...int) *Node {
	if x != nil && !x.bad && slices.Equal(x.shape, shape) {
		return x
	}
	return apply1(reshape{slices.Clone(shape)}, x)
}

// transpose permutes the dimensions.
type transpose struct{ perm []int }

func (transpose) name() string { return "Transpose" }

func (t transpose) infer(in []*Node) ([]value, error) {
	shape := make([]int, len(t.perm))
	seen := make([]bool, len(t.perm))
	if len(t.perm) != len(in[0].shape) {
		return nil, fmt.Errorf("permutation %v for shape %v", t.perm, in[0].shape)
	}
	for i, p := range t.perm {
		if p < 0 || p >= len(seen) || seen[p] {
			return nil, fmt.Errorf("%v is not a permutation", t.perm)
		}
		seen[p] = true
		shape[i] = in[0].shape[p]
		// An open dimension may be inside for a while, in a transposed operand of a product. The
		// product makes it the first again or fails.
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (t transpose) emit(e *encoder, _ *call, in, out []string) {
	e.node("Transpose", in, out, attrInts("perm", t.perm))
}

func (t transpose) gradient(_ *call, dy []*Node) []*Node {
	back := make([]int, len(t.perm))
	for i, p := range t.perm {
		back[p] = i
	}
	return []*Node{Transpose(dy[0], back...)}
}

// Transpose permutes dimensions: dimension i of the result is dimension
// perm[i] of x.
func Transpose(x *Node, perm ...int) *Node {
	return apply1(transpose{slices.Clone(perm)}, x)
}

// slice takes regular ranges of some dimensions.
type slice struct{ axes, starts, ends, steps []int }

func (slice) name() string { return "Slice" }

func (s slice) infer(in []*Node) ([]value, error) {
	shape := slices.Clone(in[0].shape)
	for i, a := range s.axes {
		if a < 0 || a >= len(shape) {
			return nil, fmt.Errorf("axis %d is outside shape %v", a, in[0].shape)
		}
		from, to, size := s.starts[i], s.ends[i], shape[a]
		if size == Open || from < 0 || to > size || from >= to || s.steps[i] < 1 {
			return nil, fmt.Errorf("range %d:%d of dimension %d of shape %v", from, to, a, in[0].shape)
		}
		shape[a] = (to - from + s.steps[i] - 1) / s.steps[i]
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (s slice) emit(e *encoder, _ *call, in, out []string) {
	e.node("Slice", []string{in[0], e.ints(s.starts), e.ints(s.ends), e.ints(s.axes), e.ints(s.steps)}, out)
}

// gradient puts the gradient where the elements came from, with zeros between and around.
func (s slice) gradient(c *call, dy []*Node) []*Node {
	d, x := dy[0], c.in[0]
	before, after := make([]int, len(x.shape)), make([]int, len(x.shape))
	var wide, gap, joined []int // shape with an extra dimension after each strided axis
	strided := false
	for a, size := range d.shape {
		step := 1
		if i := slices.Index(s.axes, a); i >= 0 {
			step = s.steps[i]
			before[a] = s.starts[i]
			after[a] = x.shape[a] - s.starts[i] - size*step
		}
		wide, gap, joined = append(wide, size), append(gap, 0), append(joined, size*max(step, 1))
		if size == Open {
			joined[a] = Open
		}
		if step > 1 {
			strided = true
			wide, gap = append(wide, 1), append(gap, step-1)
		}
	}
	if strided {
		d = Reshape(Pad(Reshape(d, wide...), make([]int, len(gap)), gap), joined...)
	}
	return []*Node{Pad(d, before, after)}
}

// Slice takes the elements [start, end) of one dimension. Negative axes count
// from the end.
func Slice(x *Node, axis, start, end int) *Node {
	if x != nil && axis < 0 {
		axis += len(x.shape)
	}
	return apply1(slice{[]int{axis}, []int{start}, []int{end}, []int{1}}, x)
}

// window takes the rectangle of rows [top, top+h) and columns [left, left+w)
// of x [N,C,H,W], stepping by step.
func window(x *Node, top, left, h, w, step int) *Node {
	if top == 0 && left == 0 && h == x.Dim(2) && w == x.Dim(3) && step == 1 {
		return x
	}
	return apply1(slice{[]int{2, 3}, []int{top, left},
		[]int{top + (h-1)*step + 1, left + (w-1)*step + 1}, []int{step, step}}, x)
}

// flip reverses the order along one dimension.
type flip struct{ axis int }

func (flip) name() string { return "flip" }

func (f flip) infer(in []*Node) ([]value, error) {
	if f.axis < 0 || f.axis >= len(in[0].shape) {
		return nil, fmt.Errorf("axis %d is outside shape %v", f.axis, in[0].shape)
	}
	return []value{{in[0].dtype, in[0].shape}}, nil
}

func (f flip) emit(e *encoder, _ *call, in, out []string) {
	const start = -(1 << 31) // an end before the first element
	e.node("Slice", []string{in[0], e.ints([]int{-1}), e.ints([]int{start}), e.ints([]int{f.axis}), e.ints([]int{-1})}, out)
}

func (f flip) gradient(_ *call, dy []*Node) []*Node { return []*Node{apply1(f, dy[0])} }

// concat joins tensors along one dimension.
type concat struct{ axis int }

func (concat) name() string { return "Concat" }

func (k concat) infer(in []*Node) ([]value, error) {
	if len(in) == 0 {
		return nil, errors.New("nothing to join")
	}
	shape := slices.Clone(in[0].shape)
	axis, err := axisOf(k.axis, len(shape))
	if err != nil {
		return nil, err
	}
	if shape[axis] == Open {
		return nil, fmt.Errorf("dimension %d of shape %v is open", axis, shape)
	}
	for _, n := range in[1:] {
		other := slices.Clone(n.shape)
		if n.dtype != in[0].dtype || len(other) != len(shape) || other[axis] == Open {
			return nil, fmt.Errorf("%v %v and %v %v do not join along dimension %d", in[0].dtype, in[0].shape, n.dtype, n.shape, axis)
		}
		shape[axis] += other[axis]
		other[axis] = shape[axis]
		if !slices.Equal(other, shape) {
			return nil, fmt.Errorf("shapes %v and %v do not join along dimension %d", in[0].shape, n.shape, axis)
		}
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (k concat) emit(e *encoder, _ *call, in, out []string) {
	e.node("Concat", in, out, attrInt("axis", k.axis))
}

func (k concat) gradient(c *call, dy []*Node) []*Node {
	grads := make([]*Node, len(c.in))
	axis, _ := axisOf(k.axis, len(c.out[0].shape))
	at := 0
	for i, n := range c.in {
		grads[i] = Slice(dy[0], axis, at, at+n.shape[axis])
		at += n.shape[axis]
	}
	return grads
}

// Concat joins tensors along one dimension; the other dimensions must be equal.
func Concat(axis int, xs ...*Node) *Node {
	if len(xs) == 1 {
		return xs[0]
	}
	return apply1(concat{axis}, xs...)
}

// pad adds elements around a tensor; negative amounts remove elements.
type pad struct {
	before, after []int
	fill          float32
}

func (pad) name() string { return "Pad" }

func (p pad) infer(in []*Node) ([]value, error) {
	shape := slices.Clone(in[0].shape)
	if len(p.before) != len(shape) || len(p.after) != len(shape) {
		return nil, fmt.Errorf("amounts %v and %v for shape %v", p.before, p.after, shape)
	}
	for i := range shape {
		if p.before[i] == 0 && p.after[i] == 0 {
			continue
		}
		if shape[i] == Open || shape[i]+p.before[i]+p.after[i] <= 0 {
			return nil, fmt.Errorf("amounts %v and %v for shape %v", p.before, p.after, shape)
		}
		shape[i] += p.before[i] + p.after[i]
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (p pad) emit(e *encoder, _ *call, in, out []string) {
	args := []string{in[0], e.ints(append(slices.Clone(p.before), p.after...))}
	if p.fill != 0 {
		args = append(args, e.float(p.fill))
	}
	e.node("Pad", args, out)
}

func (p pad) gradient(_ *call, dy []*Node) []*Node {
	before, after := slices.Clone(p.before), slices.Clone(p.after)
	for i := range before {
		before[i], after[i] = -before[i], -after[i]
	}
	return []*Node{Pad(dy[0], before, after)}
}

// Pad adds before[i] zeros before and after[i] zeros after the elements of each dimension i of x.
// Negative amounts remove elements.
func Pad(x *Node, before, after []int) *Node { return padWith(x, before, after, 0) }

// padWith is Pad with another value than zero.
func padWith(x *Node, before, after []int, fill float32) *Node {
	some := func(v int) bool { return v != 0 }
	if x != nil && !x.bad && len(before) == len(x.shape) && len(after) == len(before) &&
		!slices.ContainsFunc(before, some) && !slices.ContainsFunc(after, some) {
		return x
	}
	return apply1(pad{slices.Clone(before), slices.Clone(after), fill}, x)
}

// expand repeats a tensor to the shape of another by broadcasting.
type expand struct{}

func (expand) name() string { return "Expand" }

func (expand) infer(in []*Node) ([]value, error) {
	shape, err := broadcast(in[0].shape, in[1].shape)
	if err != nil || !slices.Equal(shape, in[1].shape) {
		return nil, fmt.Errorf("shape %v does not broadcast to %v", in[0].shape, in[1].shape)
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (expand) emit(e *encoder, c *call, in, out []string) {
	if _, closed := product(c.out[0].shape); closed {
		e.node("Expand", []string{in[0], e.ints(c.out[0].shape)}, out)
		return
	}
	shape := e.fresh()
	e.node("Shape", in[1:], []string{shape})
	e.node("Expand", []string{in[0], shape}, out)
}

func (expand) gradient(c *call, dy []*Node) []*Node {
	return []*Node{sumTo(dy[0], c.in[0]), nil}
}

// ExpandLike repeats x by broadcasting until it has the shape of like.
func ExpandLike(x, like *Node) *Node {
	if x != nil && like != nil && !x.bad && !like.bad && slices.Equal(x.shape, like.shape) {
		return x
	}
	return apply1(expand{}, x, like)
}
