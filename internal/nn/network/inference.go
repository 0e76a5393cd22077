package network

import (
	"fmt"
	"maps"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Builder is a network as a formula over named parameters. Network, Head, FineTuned and Adapted are
// ones.
type Builder interface {
	Spec() Spec
	// Uses lists the features of frozen backbones that the network takes, in the order of its
	// inputs; nil for a network that takes pictures.
	Uses() []Use
	// Build adds the network to g. inputs are the features of Uses or, for a network that takes
	// pictures, those of Spec.Inputs. If train is set, batch norm uses the statistics of the batch.
	// Parameters become g.Param nodes of their names.
	Build(g *graph.Graph, inputs []*graph.Node, train bool) Built
}

// Built is what a network computes of a batch.
type Built struct {
	Logits *graph.Node // [N, 1, h, w]
	// Coarser are the logits of more maps, each smaller than the one before; nil for most networks.
	Coarser []*graph.Node
	// Score is the logit of the whole picture, [N, 1, 1, 1]; nil for most networks.
	Score *graph.Node
	// Updates are the new running statistics in training, by the parameters' names.
	Updates map[string]*graph.Node
}

// WeightsInFiles is implemented by networks of which some weights are frozen and stay in files.
type WeightsInFiles interface {
	// Frozen says where the weights are, by the names of their parameters; locations are relative
	// to dir.
	Frozen() (values map[string]graph.Initializer, dir string, err error)
}

// Inference returns a network as a program with the given values of its parameters inside, except
// those of WeightsInFiles. The inputs are FeatureInput(0), ... for the features of b's Uses, or
// Spec.Inputs for a network that takes pictures; the output is PortLogits [N,
// 1, h, w].
//
// A network of ModeWhole has the ports of Pretrained.Program.
func Inference(b Builder, params []Param, form Form, height, width int) (p Program, err error) {
	if b.Spec().Mode == ModeWhole {
		p.ONNX, err = wholeInference(b.Spec(), params, form, height, width)
		return p, err
	}
	values := initializers(params)
	if f, ok := b.(WeightsInFiles); ok {
		frozen, folder, err := f.Frozen()
		if err != nil {
			return p, err
		}
		maps.Copy(values, frozen)
		p.Folder = folder
	}
	g := form.Graph()
	inputs := featureInputs(g, b.Uses())
	if inputs == nil {
		inputs = pictureInputs(g, b.Spec(), height, width)
	}
	logits := b.Build(g, inputs, false).Logits
	if err := g.Err(); err != nil {
		return p, fmt.Errorf("%v for %d x %d pixels: %w", b.Spec(), width, height, err)
	}
	p.ONNX, err = g.Encode([]graph.Output{{Name: PortLogits, Node: logits}}, values)
	return p, err
}

func initializers(params []Param) map[string]graph.Initializer {
	inits := make(map[string]graph.Initializer, len(params))
	for _, p := range params {
		inits[p.Name] = Initializer(p)
	}
	return inits
}

// Initializer returns a parameter's values for a graph.
func Initializer(p Param) graph.Initializer {
	return graph.Initializer{DType: graph.Float32, Shape: p.Shape, Data: weights.FromFloat32s(p.Name, p.Shape, p.Data).Data}
}
