package train

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train/features"
)

// counted counts the pictures that go through backbones.
type counted struct {
	of       features.Source
	pictures atomic.Int64
}

func (c *counted) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	c.pictures.Add(int64(images.Shape()[0]))
	return c.of.Features(ctx, images)
}

func (c *counted) Close() error { return c.of.Close() }

// Training gives the same weights with an empty cache, with a full one and without one, in either
// precision.
func TestCacheChangesNothing(t *testing.T) {
	e := open(t)
	vit, resnet := towers(t)
	for draws, half := range map[int]bool{0: false, 2: true} {
		t.Run(fmt.Sprintf("half=%t,draws=%d", half, draws), func(t *testing.T) {
			c := headConfig(t, e, network.Spec{Arch: "ViT,RN", Layer: "layer0", Decoder: "conv-4", Widths: smallWidths}, vit, resnet)
			c.BatchSize, c.Epochs, c.Cache.Half, c.Cache.Draws, c.Augment = 5, 2, half, draws, noAugment()
			if draws > 0 {
				c.Augment.Tone = 1
			}
			plain := mustRun(t, c)
			c.Cache.Dir, c.Cache.Layers = t.TempDir(), []string{"layer1"}
			var last features.Info
			for range 2 { // an empty cache, a full one
				c.Out = t.TempDir()
				cached := mustRun(t, c)
				if !sameTensors(t, plain.Last, cached.Last) || !sameTensors(t, plain.Best, cached.Best) {
					t.Error("the cache changes the weights")
				}
				info, err := features.Inspect(c.Cache.Dir)
				if err != nil {
					t.Fatal(err)
				}
				// Two layers are in use and one more is kept of either backbone. Of the 12 pictures
				// three are equal once they are scaled; the five to validate on are among them
				// unless they were varied.
				if want := map[int]int{0: 10, 2: 2*12 + 5}[draws] * 4; info.Records != want {
					t.Errorf("%d records are kept, expected %d", info.Records, want)
				}
				if last.Shards > 0 && info != last {
					t.Errorf("the second run added to the cache: %+v, then %+v", last, info)
				}
				last = info
			}
			c.Out, c.Cache.Half = t.TempDir(), !half
			if other := mustRun(t, c); sameTensors(t, plain.Last, other.Last) {
				t.Error("the precision of the features has no effect")
			}
		})
	}
}

// The backbone runs once for each picture. Pictures that are augmented differently each time are
// not cached, and a notice says so.
func TestBackboneRunsOnce(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	for _, varied := range []bool{false, true} {
		c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "linear"}, vit).Completed()
		c.Draws, c.Epochs, c.Augment, c.Cache.Dir = 1, 3, Augment{JPEGLow: 60, JPEGHigh: 100}, t.TempDir()
		if varied {
			c.Augment.Noise = 1
		}
		var notices []string
		c.Hooks.Notice = func(text string) { notices = append(notices, text) }
		tr, err := prepare(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.close()
		count := &counted{}
		load := tr.backbones.Load
		tr.backbones.Load = func() (features.Source, error) {
			var err error
			count.of, err = load()
			return count, err
		}
		if err := tr.loop(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := 10 // of the 12 pictures three are equal, once scaled; those to validate on are among them
		if varied {
			want = 3*12 + 5
		}
		if got := int(count.pictures.Load()); got != want {
			t.Errorf("varied %t: %d pictures went through the backbone, expected %d", varied, got, want)
		}
		if varied != (len(notices) == 1 && strings.Contains(notices[0], "--cache-draws")) {
			t.Errorf("varied %t: notices are %q", varied, notices)
		}
	}
}

// If the cache cannot be opened, training goes ahead without it, with a notice.
func TestCacheFails(t *testing.T) {
	vit, _ := towers(t)
	c := headConfig(t, open(t), network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "linear"}, vit)
	c.Epochs, c.Cache.Dir = 1, vit // a file
	var notices []string
	c.Hooks.Notice = func(text string) { notices = append(notices, text) }
	mustRun(t, c)
	if len(notices) != 1 || !strings.Contains(notices[0], vit) {
		t.Errorf("got %q, expected one notice that names the path", notices)
	}
}

// A picture has the same features in every batch.
func TestFeaturesAlone(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer1", Decoder: "linear"}, vit)
	tr, err := prepare(context.Background(), c.Completed())
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	const n, size = 5, 3 * 32 * 32
	pixels := make([]float32, n*size)
	for i := range pixels {
		pixels[i] = float32(i*i%97)/48 - 1
	}
	features := func(from, to int) []float32 {
		images, err := engine.NewTensor([]int{to - from, 3, 32, 32}, pixels[from*size:to*size])
		if err != nil {
			t.Fatal(err)
		}
		out, err := tr.features.Features(context.Background(), images)
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Float32s()
	}
	all := features(0, n)
	each := len(all) / n
	for i := range n {
		if !slices.Equal(features(i, i+1), all[i*each:(i+1)*each]) {
			t.Errorf("picture %d has other features alone than among others", i)
		}
	}
}
