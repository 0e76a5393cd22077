package localize

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// small is a network with random weights that runs in tiles.
func small(t *testing.T) *network.Network {
	t.Helper()
	n, err := network.New(network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 4, 4}, LiteOptions: network.LiteOptions{Context: 4, Dilations: []int{1}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// alone runs a network, as it is now, on one picture.
func alone(t *testing.T, n *network.Network, rgb *picture.RGB) Output {
	t.Helper()
	r, err := New(enginetest.Open(t), n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, err := r.Run(context.Background(), picture.New(rgb))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
