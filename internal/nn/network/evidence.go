package network

import "github.com/declip/declip/internal/nn/graph"

// EvidenceChannels is the number of values of each block at PortEvidence: that of package evidence,
// which this package does not import.
const EvidenceChannels = 29

// evidenceBranch computes features of the evidence [N, EvidenceChannels, H/8, W/8] in two learnt
// layers: [N, width, H/8, W/8]. The second sees the neighbours, because the evidence of a single
// block is noisy.
func (b *builder) evidenceBranch(x *graph.Node, width int) *graph.Node {
	x = b.conv(x, "evidence.in", convSpec{out: width, kernel: 1, kind: initHe})
	x = graph.ReLU(b.norm(x, "evidence.in_bn", initOne))
	x = b.separable(x, "evidence.mix", width, 1, initHe)
	return graph.ReLU(b.norm(x, "evidence.mix_bn", initOne))
}
