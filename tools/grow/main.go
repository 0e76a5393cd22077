// Command grow adds a branch over evidence of JPEG compression to a network of xceptionnet-lite.
//
// The new network gives the maps of the old one until it is trained, so that a training need not
// begin with weights drawn at random.
//
//	go run ./tools/grow -evidence 32 -o OUT NETWORK
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

func main() {
	width := flag.Int("evidence", 32, "channels of the branch; 0: none, all weights are only made trainable")
	seed := flag.Uint64("seed", 1, "seed of the branch's initial weights")
	out := flag.String("o", "", "file to write, safetensors")
	flag.Parse()
	if flag.NArg() != 1 || *out == "" {
		fmt.Fprintln(os.Stderr, "usage: grow -evidence 32 -o OUT NETWORK")
		os.Exit(2)
	}
	if err := grow(*out, flag.Arg(0), *width, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "grow:", err)
		os.Exit(1)
	}
}

func grow(out, in string, width int, seed uint64) error {
	f, err := weights.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := network.Open(f)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	grown, err := n.WithEvidence(width, seed)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	metadata, err := grown.Metadata()
	if err != nil {
		return err
	}
	var tensors []weights.Tensor
	for _, p := range grown.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	return weights.WriteSealed(out, tensors, metadata)
}
