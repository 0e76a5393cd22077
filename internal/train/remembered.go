package train

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	featurecache "github.com/declip/declip/internal/train/features"
)

// alone gives features picture by picture. The last bits of a result may depend on how many pictures go through a network
// together; so they do not, and a picture has the same features in every batch. The backbones are loaded when they are
// first needed.
type alone struct {
	load func() (Features, error)
	half bool // features are rounded to half precision

	mu        sync.Mutex // one picture at a time: it keeps all threads busy
	backbones Features   // once loaded
}

// Features implements Features.
func (a *alone) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	shape := images.Shape()
	n, size := shape[0], images.Len()/max(shape[0], 1)
	var out []*engine.Tensor
	for i := range n {
		image, err := engine.NewTensor(append([]int{1}, shape[1:]...), images.Float32s()[i*size:][:size])
		if err != nil {
			return nil, err
		}
		features, err := a.one(ctx, image)
		if err != nil {
			return nil, err
		}
		if n == 1 {
			return features, nil
		}
		for k, f := range features {
			if i == 0 {
				whole, err := engine.NewEmpty(append([]int{n}, f.Shape()[1:]...))
				if err != nil {
					return nil, err
				}
				out = append(out, whole)
			}
			copy(out[k].Float32s()[i*f.Len():], f.Float32s())
		}
	}
	return out, nil
}

func (a *alone) one(ctx context.Context, image *engine.Tensor) ([]*engine.Tensor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a.backbones == nil {
		loaded, err := a.load()
		if err != nil {
			return nil, err
		}
		a.backbones = loaded
	}
	features, err := a.backbones.Features(ctx, image)
	if err != nil || !a.half {
		return features, err
	}
	for _, f := range features {
		featurecache.Round(f.Float32s())
	}
	return features, nil
}

// Close frees the backbones, where they were loaded.
func (a *alone) Close() error {
	if a.backbones == nil {
		return nil
	}
	return a.backbones.Close()
}

// remembered gives features out of a cache, and adds to it what it lacks.
type remembered struct {
	from   Features // gives those of all parts
	cache  *featurecache.Cache
	parts  [][]string // what features are told by, beside the picture
	shapes [][]int    // of the features of one picture that are given: the first parts; the others are only kept
	half   bool
}

// rememberedUses are the uses that a cache is to hold: those that are needed, and further layers of the same backbones.
func rememberedUses(needed []network.Use, layers []string) []network.Use {
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

// remember puts a cache before from, which gives the features at the uses, of which the first are needed.
func remember(cache *featurecache.Cache, from Features, uses []network.Use, needed int, info engine.Info, half bool) (*remembered, error) {
	r := &remembered{from: from, cache: cache, half: half}
	device, _, _ := strings.Cut(info.Device, ":")
	for i, u := range uses {
		digest, err := u.Backbone.Digest()
		if err != nil {
			return nil, fmt.Errorf("feature cache: %w", err)
		}
		// Another engine or kind of device gives other last bits.
		r.parts = append(r.parts, []string{digest, u.Layer, info.Version, device, fmt.Sprintf("half=%t", half)})
		if i < needed {
			shape, err := u.Backbone.Features(u.Layer)
			if err != nil {
				return nil, err
			}
			r.shapes = append(r.shapes, shape.Shape()[1:])
		}
	}
	return r, nil
}

// Features implements Features.
func (r *remembered) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	shape := images.Shape()
	n, size := shape[0], images.Len()/max(shape[0], 1)
	out := make([]*engine.Tensor, len(r.shapes))
	for k := range out {
		var err error
		if out[k], err = engine.NewEmpty(append([]int{n}, r.shapes[k]...)); err != nil {
			return nil, err
		}
	}
	pictures, known := make([]featurecache.Picture, n), make([]bool, n)
	var group parallel.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			pictures[i] = featurecache.PictureOf(images.Float32s()[i*size:][:size])
			known[i] = r.recall(pictures[i], i, out)
			return nil
		})
	}
	_ = group.Wait()
	for i := range n {
		if known[i] {
			continue
		}
		image, err := engine.NewTensor(append([]int{1}, shape[1:]...), images.Float32s()[i*size:][:size])
		if err != nil {
			return nil, err
		}
		features, err := r.from.Features(ctx, image)
		if err != nil {
			return nil, err
		}
		for k, f := range features {
			if k < len(out) {
				copy(out[k].Float32s()[i*f.Len():], f.Float32s())
			}
			r.cache.Put(pictures[i].Key(r.parts[k]...), f.Float32s(), r.half)
		}
	}
	return out, nil
}

// recall reads the features of a picture into row i of out; false if one is not there.
func (r *remembered) recall(p featurecache.Picture, i int, out []*engine.Tensor) bool {
	for k, t := range out {
		each := t.Len() / t.Shape()[0]
		if !r.cache.Get(p.Key(r.parts[k]...), t.Float32s()[i*each:][:each]) {
			return false
		}
	}
	return true
}

// Close implements Features; cache and backbones are others' to close.
func (r *remembered) Close() error { return nil }
