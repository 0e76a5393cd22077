package main

import (
	"fmt"
	"path/filepath"

	"github.com/declip/declip/tools/twin"
)

// slowProducts is in GFLOP/s of products of 1024 x 1024; Debian's reference BLAS reaches 3 to 6.
const slowProducts = 30

// warnSlowProducts reports a PyTorch without a fast BLAS before anything is measured. Every ratio
// would flatter declip: TruFor with the reference BLAS takes 88 s for a picture, and not 4.
func warnSlowProducts(o options) error {
	other, err := twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "parity_torch.py"), o.threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	if other.Torch == "" {
		return nil
	}
	var speed struct{ GFLOPS float64 }
	if err := other.Ask(map[string]any{"do": "products"}, &speed); err != nil {
		return err
	}
	if speed.GFLOPS < slowProducts {
		fmt.Printf("PyTorch multiplies matrices at %.0f GFLOP/s only: it has no fast BLAS (on Debian: libopenblas0-pthread).\n"+
			"The ratios below say little.\n", speed.GFLOPS)
	}
	return nil
}
