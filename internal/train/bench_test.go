package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
)

// BenchmarkStep is one step of the embedded model's network on six crops of 320 x 320 pixels, all
// weights trained, with the operators of package operators and without.
func BenchmarkStep(b *testing.B) {
	spec := network.Spec{Arch: network.ArchLite, Widths: []int{32, 32, 64, 128}, LiteOptions: network.LiteOptions{
		Residual: true, DCT: 48, Dilations: []int{1, 2, 4, 8, 1}}}
	for name, decoder := range map[string]string{"context": network.DecoderContext, "pyramid": network.DecoderPyramid} {
		spec.Decoder = decoder
		for _, own := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/operators=%v", name, own), func(b *testing.B) { benchmarkStep(b, spec, own) })
		}
	}
}

func benchmarkStep(b *testing.B, spec network.Spec, own bool) {
	e := enginetest.Open(b)
	model, err := network.New(spec, 1)
	if err != nil {
		b.Fatal(err)
	}
	c := DefaultConfig()
	c.Spec, c.BatchSize, c.CropSize, c.Augment.Turn, c.Clip = model.Spec(), 6, 320, true, 1
	loader, err := dataset.NewLoader(patches{64}, c.maker(c.Spec), dataset.LoaderOptions{BatchSize: c.BatchSize})
	if err != nil {
		b.Fatal(err)
	}
	s, err := newStep(e, model, c, loader.Shape(), network.Form{Winograd: e.Winograd(), Training: own && e.Winograd()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for batch, err := range loader.Batches(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		inputs, target := given(b, batch, loader.Shape())
		for number := int64(0); b.Loop(); number++ {
			if _, _, err := s.Run(context.Background(), inputs, target, number, 1e-3); err != nil {
				b.Fatal(err)
			}
		}
		break
	}
	b.ReportMetric(float64(b.N*c.BatchSize)/b.Elapsed().Seconds(), "crops/s")
}

// BenchmarkBatch is the preparation of such a batch, without the decoding.
func BenchmarkBatch(b *testing.B) {
	c := DefaultConfig()
	c.Augment.Turn, c.Augment.Tone, c.Augment.JPEG = true, 0.3, 0.3
	maker := c.maker(network.Spec{Mode: network.ModeTiles, TileOptions: network.TileOptions{Stride: 4}})
	loader, err := dataset.NewLoader(patches{64}, maker, dataset.LoaderOptions{BatchSize: 16, Draws: 4})
	if err != nil {
		b.Fatal(err)
	}
	left := b.N
	for batch, err := range loader.Batches(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		batch.Release()
		if left--; left < 0 {
			break
		}
	}
}
