package train

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
)

// BenchmarkStep is one step of the small network on 16 crops of 256x256 pixels.
func BenchmarkStep(b *testing.B) {
	e := enginetest.Open(b)
	model, err := network.New(network.Spec{Arch: network.ArchLite}, 1)
	if err != nil {
		b.Fatal(err)
	}
	c := DefaultConfig()
	c.Spec, c.BatchSize, c.Augment.Turn, c.Clip = model.Spec(), 16, true, 1
	loader, err := dataset.NewLoader(patches{64}, c.maker(c.Spec), dataset.LoaderOptions{BatchSize: c.BatchSize})
	if err != nil {
		b.Fatal(err)
	}
	s, err := NewStep(e, model, c, loader.Shape())
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
