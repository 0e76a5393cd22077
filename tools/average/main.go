// Command average writes the weighted mean of two networks of the same form.
//
// The mean of a network and its fine-tuned version is often better than either (Wortsman et al.,
// "Robust fine-tuning of zero-shot models", 2022).
//
//	go run ./tools/average -share 0.4 -o OUT BEFORE AFTER
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/train"
)

func main() {
	share := flag.Float64("share", 0.5, "weight of the first network, 0 to 1; the second has the rest")
	out := flag.String("o", "", "file to write, safetensors")
	flag.Parse()
	if flag.NArg() != 2 || *out == "" || !(*share >= 0 && *share <= 1) {
		fmt.Fprintln(os.Stderr, "usage: average -share 0.4 -o OUT BEFORE AFTER")
		os.Exit(2)
	}
	if err := write(*out, flag.Arg(0), flag.Arg(1), *share); err != nil {
		fmt.Fprintln(os.Stderr, "mean:", err)
		os.Exit(1)
	}
}

// write writes the mean, with the metadata of the second network.
func write(out, before, after string, share float64) error {
	a, err := weights.Open(before)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := weights.Open(after)
	if err != nil {
		return err
	}
	defer b.Close()
	if len(a.Names()) != len(b.Names()) {
		return fmt.Errorf("%s has %d tensors, %s %d: not the same form", before, len(a.Names()), after, len(b.Names()))
	}
	var tensors []weights.Tensor
	for _, t := range b.Tensors() {
		if other, ok := a.Tensor(t.Name); !ok || !slices.Equal(other.Shape, t.Shape) {
			return fmt.Errorf("%s has no %s of shape %v: not the same form as %s", before, t.Name, t.Shape, after)
		}
		x, err := a.Float32s(t.Name)
		if err != nil {
			return err
		}
		y, err := b.Float32s(t.Name)
		if err != nil {
			return err
		}
		for i, v := range x {
			y[i] = float32(share*float64(v) + (1-share)*float64(y[i]))
		}
		tensors = append(tensors, weights.FromFloat32s(t.Name, t.Shape, y))
	}
	metadata := maps.Clone(b.Metadata())
	metadata[train.KeyDescription] += fmt.Sprintf(", of which %.2f, and %.2f of what it started from", 1-share, share)
	return weights.WriteSealed(out, tensors, metadata)
}
