package graph

// BCEWithLogits returns the mean binary cross-entropy between sigmoid(logits)
// and a target in [0,1] of the same shape (soft targets are allowed), of shape
// [1]: the mean of softplus(x) - x t, which does not overflow.
func BCEWithLogits(logits, target *Node) *Node {
	return Reshape(ReduceMean(Sub(Softplus(logits), Mul(logits, target)), nil, false), 1)
}
