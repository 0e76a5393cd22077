package published

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// Network is what a network needs around its formula. It holds nothing of a picture and is safe for
// concurrent use.
type Network interface {
	// Input prepares a picture.
	Input(ctx context.Context, p *picture.Picture) (*Input, error)
	// Answer reads the network's outputs for the picture p, by port.
	Answer(ctx context.Context, outputs map[string]*engine.Tensor, p *picture.Picture) (*Answer, error)
}

// Input is a picture as a network takes it.
type Input struct {
	Height, Width int // in pixels, for network.Pretrained.Program
	Tensors       map[string]*engine.Tensor
}

// Answer is what a network says about a picture.
type Answer struct {
	// Raw is the network's own map of probabilities in [0,1].
	Raw picture.Map
	// Prob are the probabilities at the picture's size: [Height, Width].
	Prob []float32
	// Confidence in [0,1] that the map is right: [Height, Width]; nil if the network gives none.
	Confidence []float32
	// Score is the network's probability that the picture is manipulated; nil if it gives none.
	Score *float64
}

// networks lists the networks by their Spec.Arch.
var networks = map[string]Network{
	network.ArchCATNet: catNet{pixels: true}, network.ArchCATNetDCT: catNet{},
	network.ArchTruFor: truFor{},
}

// For returns what the network of a Spec needs. An unknown network is an error.
func For(spec network.Spec) (Network, error) {
	if spec.Arch == network.ArchPSCCNet {
		return pscc{spec.Input}, nil
	}
	n, ok := networks[spec.Arch]
	if !ok {
		return nil, fmt.Errorf("%w: no pictures can be prepared for %v", network.ErrSpec, spec)
	}
	return n, nil
}
