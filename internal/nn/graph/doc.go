// Package graph builds, differentiates and encodes formulas over tensors.
//
// A network, its loss, the gradients of the loss and, where it is wanted, the optimizer's update
// are nodes of one [Graph]. It is built once by Go functions and encoded as an ONNX model, which an
// engine runs.
//
// Package functions such as [Conv], [MatMul] and [Add] take and return [Node] values. Shapes are
// checked while building. The first mistake is kept and returned by [Graph.Err] and [Graph.Encode].
// Functions that get a node spoiled by an earlier mistake return another spoiled node, so formulas
// need no error handling of their own.
//
// Shapes are static except for dimension 0, which may be [Open]: any batch size, known only when
// the model runs. Numbers that a model takes or returns, such as a learning rate or a loss, should
// have the shape [1]: some bindings of ONNX Runtime refuse tensors without dimensions.
package graph
