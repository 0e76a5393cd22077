package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// Names of the inputs and outputs of programs. Those of features are FeatureInput's.
const (
	PortImage         = "image"         // input: pictures [N, 3, H, W]
	PortEvidence      = "evidence"      // input of some: [N, EvidenceChannels, H/8, W/8]
	PortLogits        = "logits"        // output: [N, 1, h, w]
	PortProbabilities = "probabilities" // output of some programs: [N, 1, h, w]

	// Ports of other authors' networks, which take one picture at a time.
	PortCoefficients = "coefficients" // input: quantised coefficients of JPEG blocks [1, 1, H, W]
	PortSteps        = "steps"        // input: their quantisation steps [1, 1, 8, 8]
	PortConfidence   = "confidence"   // output: logits of the map's reliability [1, 1, h, w]
	PortScore        = "score"        // output: probability for the whole picture [1]
	PortMap          = "map"          // output of exported programs: probabilities [1, 1, H, W]
)

// FeatureInput is the name of a decoder's input for the i-th of its Uses.
func FeatureInput(i int) string { return fmt.Sprintf("features%d", i) }

// backbonePrefix precedes the names of the i-th backbone's tensors where several networks share a
// file or a graph.
func backbonePrefix(i int) string { return fmt.Sprintf("backbone%d.", i) }

// OptimizerPrefix precedes the names of an optimizer's state in published checkpoints.
const OptimizerPrefix = "optimizer."

// pictureInputs adds the inputs of a network that takes pictures of the given size to g.
func pictureInputs(g *graph.Graph, spec Spec, height, width int) []*graph.Node {
	var list []*graph.Node
	for _, port := range spec.Inputs() {
		list = append(list, g.Input(port, append([]int{graph.Open}, portShape(port, height, width)...)...))
	}
	return list
}

// featureInputs adds a decoder's inputs to g.
func featureInputs(g *graph.Graph, uses []Use) []*graph.Node {
	var list []*graph.Node
	for i, u := range uses {
		list = append(list, g.Input(FeatureInput(i), u.Features().Shape()...))
	}
	return list
}
