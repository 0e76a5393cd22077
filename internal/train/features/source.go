package features

import (
	"context"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
)

// Source gives the features of frozen backbones for pictures. Equal pixels give equal features,
// whether the backbones run or a cache answers. It is safe for concurrent use until it is closed.
type Source interface {
	// Features takes pictures [N, 3, side, side] as the backbones do and returns a tensor
	// [N, T, C] or [N, C, h, w] for each input of the decoder, in the order of network.Head.Uses.
	// Further tensors may follow. The features depend on the pixels only.
	Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error)
	Close() error
}

// WithLayers returns the needed uses and, after them, further layers of the same backbones, which a
// cache is to hold as well. Layers that a backbone does not have are left out.
func WithLayers(needed []network.Use, layers []string) []network.Use {
	uses := slices.Clone(needed)
	for _, u := range needed {
		for _, layer := range layers {
			more := network.Use{Backbone: u.Backbone, Layer: layer}
			if _, err := u.Backbone.Features(layer); err == nil && !slices.Contains(uses, more) {
				uses = append(uses, more)
			}
		}
	}
	return uses
}
