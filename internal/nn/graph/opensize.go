package graph

import (
	"errors"
	"fmt"
)

// OpenSize makes the graph a program for maps of any size. Encode leaves open the height and the
// width of the named inputs and outputs [N, C, H, W] and calls them by the given names. ResizeLike,
// SpaceToDepth and DepthToSpace take sizes when the model runs. It must be called before nodes are
// added.
//
// The formula is still built for one size. The program fits others if building it for another size
// gives the same bytes.
func (g *Graph) OpenSize(names map[string][2]string) { g.open = names }

// openInfo is valueInfo for an input or output of the graph.
func (g *Graph) openInfo(name string, v value) message {
	if names, ok := g.open[name]; ok && len(v.shape) == 4 {
		return valueInfo(name, v, names[0], names[1])
	}
	return valueInfo(name, v)
}

// resizeLike resizes to the height and width of a second operand, which are known only when the
// model runs.
type resizeLike struct{ corners bool }

func (resizeLike) name() string { return "Resize" }

func (resizeLike) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0]), wantRank4("pattern", in[1])); err != nil {
		return nil, err
	}
	x, like := in[0].shape, in[1].shape
	return floats([]int{x[0], x[1], like[2], like[3]}), nil
}

func (r resizeLike) emit(e *encoder, _ *call, in, out []string) {
	head, tail, sizes := e.fresh(), e.fresh(), e.fresh()
	e.node("Shape", in[:1], []string{head}, attrInt("start", 0), attrInt("end", 2))
	e.node("Shape", in[1:], []string{tail}, attrInt("start", 2), attrInt("end", 4))
	e.node("Concat", []string{head, tail}, []string{sizes}, attrInt("axis", 0))
	e.node("Resize", []string{in[0], "", "", sizes}, out, resizeAttributes(r.corners)...)
}

func (resizeLike) gradient(c *call, _ []*Node) []*Node { return noGradient(c) }

// noGradient is the gradient of operations for graphs of open size, which are for inference.
func noGradient(c *call) []*Node {
	c.out[0].graph.fail(errors.New("a program for maps of any size has no gradient"))
	return make([]*Node, len(c.in))
}

// ResizeLike is Resize to the height and width of like [N, C, H, W].
func ResizeLike(x, like *Node, alignCorners bool) *Node {
	if closed(x, like) {
		return Resize(x, like.Dim(2), like.Dim(3), alignCorners)
	}
	return apply1(resizeLike{alignCorners}, x, like)
}

// UpsampleLike is UpsampleBilinear to the height and width of like [N, C, H, W].
func UpsampleLike(x, like *Node) *Node {
	if closed(x, like) {
		return UpsampleBilinear(x, like.Dim(2), like.Dim(3))
	}
	return apply1(resizeLike{}, x, like)
}

// closed reports that operations on the nodes may write sizes.
func closed(nodes ...*Node) bool {
	for _, n := range nodes {
		if n == nil {
			return false // apply says so
		}
	}
	return nodes[0].graph == nil || nodes[0].graph.open == nil
}

// spaceToDepth is the operation of SpaceToDepth, depthToSpace its inverse.
type (
	spaceToDepth struct{ side int }
	depthToSpace struct{ side int }
)

func (spaceToDepth) name() string { return "SpaceToDepth" }
func (depthToSpace) name() string { return "DepthToSpace" }

func (k spaceToDepth) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0])); err != nil {
		return nil, err
	}
	x := in[0].shape
	if k.side < 1 || x[2]%k.side != 0 || x[3]%k.side != 0 {
		return nil, fmt.Errorf("input %v is not a whole number of squares of %d x %d", x, k.side, k.side)
	}
	return floats([]int{x[0], x[1] * k.side * k.side, x[2] / k.side, x[3] / k.side}), nil
}

func (k depthToSpace) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0])); err != nil {
		return nil, err
	}
	x, area := in[0].shape, k.side*k.side
	if k.side < 1 || x[1]%area != 0 {
		return nil, fmt.Errorf("the channels of input %v are not those of squares of %d x %d", x, k.side, k.side)
	}
	return floats([]int{x[0], x[1] / area, x[2] * k.side, x[3] * k.side}), nil
}

// emit takes channel by channel: ONNX's operation counts all channels for each place of a square.
func (k spaceToDepth) emit(e *encoder, c *call, in, out []string) {
	size := attrInt("blocksize", k.side)
	n := c.in[0].shape[1]
	if n == 1 {
		e.node("SpaceToDepth", in, out, size)
		return
	}
	parts := make([]string, n)
	for i := range parts {
		channel := e.fresh()
		parts[i] = e.fresh()
		e.node("Slice", []string{in[0], e.ints([]int{i}), e.ints([]int{i + 1}), e.ints([]int{1})}, []string{channel})
		e.node("SpaceToDepth", []string{channel}, []string{parts[i]}, size)
	}
	e.node("Concat", parts, out, attrInt("axis", 1))
}

func (k depthToSpace) emit(e *encoder, _ *call, in, out []string) {
	e.node("DepthToSpace", in, out, attrInt("blocksize", k.side), attrText("mode", "CRD"))
}

func (spaceToDepth) gradient(c *call, _ []*Node) []*Node { return noGradient(c) }
func (depthToSpace) gradient(c *call, _ []*Node) []*Node { return noGradient(c) }

// SpaceToDepth cuts each map of x [N, C, H, W] into squares of side x side places and gives every
// place of a square a channel of its own: [N, C side side, H/side, W/side]. Row u and column v of
// channel c go to channel (c side + u) side + v.
func SpaceToDepth(x *Node, side int) *Node {
	if !closed(x) {
		return apply1(spaceToDepth{side}, x)
	}
	c, h, w := x.Dim(1), x.Dim(2), x.Dim(3)
	x = Reshape(x, -1, c, h/side, side, w/side, side)
	return Reshape(Transpose(x, 0, 1, 3, 5, 2, 4), -1, c*side*side, h/side, w/side)
}

// DepthToSpace is the inverse of SpaceToDepth: [N, C side side, H, W] to [N, C, H side, W side].
func DepthToSpace(x *Node, side int) *Node {
	if !closed(x) {
		return apply1(depthToSpace{side}, x)
	}
	c, h, w := x.Dim(1)/(side*side), x.Dim(2), x.Dim(3)
	if c == 1 {
		x = Reshape(x, -1, side, side, h, w)
		return Reshape(Transpose(x, 0, 3, 1, 4, 2), -1, 1, h*side, w*side)
	}
	x = Reshape(x, -1, c, side, side, h, w)
	return Reshape(Transpose(x, 0, 1, 4, 2, 5, 3), -1, c, h*side, w*side)
}
