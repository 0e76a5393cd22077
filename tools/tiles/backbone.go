package main

import (
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// Sizes of the backbone. The patch is DINOv3's.
const (
	width  = 128
	blocks = 4
	patch  = 16
)

// writeBackbone writes a DINOv3 of random weights. The filters of the patches are random mixtures
// of cosines whose weights grow with the frequency: the spectrum of photographs falls with it, and
// white filters would see little besides the mean colour.
func writeBackbone(path string) error {
	list := networktest.DINOv3("", width, blocks)
	for i, t := range list {
		if t.Name == "patch_embed.proj.weight" {
			list[i] = weights.FromFloat32s(t.Name, t.Shape, filters())
		}
	}
	return weights.Write(path, list, nil)
}

// filters are [width, 3, patch, patch].
func filters() []float32 {
	dice := rand.New(rand.NewPCG(1, 2))
	basis := cosines()
	const gain = 0.02
	out := make([]float32, 0, width*3*patch*patch)
	for range width * 3 {
		var kernel [patch * patch]float64
		for v := range patch {
			for u := range patch {
				size := gain * math.Hypot(float64(u), float64(v)) * dice.NormFloat64()
				for y := range patch {
					for x := range patch {
						kernel[y*patch+x] += size * basis[v][y] * basis[u][x]
					}
				}
			}
		}
		for _, k := range kernel {
			out = append(out, float32(k))
		}
	}
	return out
}

// cosines are the orthonormal functions of the discrete cosine transform.
func cosines() (basis [patch][patch]float64) {
	for k := range patch {
		scale := math.Sqrt(2. / patch)
		if k == 0 {
			scale = math.Sqrt(1. / patch)
		}
		for x := range patch {
			basis[k][x] = scale * math.Cos(math.Pi*float64(k)*(float64(x)+0.5)/patch)
		}
	}
	return basis
}
