package features

import (
	"context"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
)

// Cached is a Source that reads features from a cache, and adds what the cache lacks.
type Cached struct {
	from   Source // gives the features of all parts
	cache  *Cache
	parts  [][]string // what a key consists of next to the picture, for each tensor
	shapes [][]int    // of one picture's features, for the parts that are returned
	half   bool
}

// NewCached puts a cache before from, which gives the features at the uses; the first needed of
// them are returned, the others are only stored. Features depend on the engine's version and on the
// kind of device, which info names: both are part of the keys. With half set, values are stored in
// half precision. Closing the result closes neither the cache nor from.
func NewCached(cache *Cache, from Source, uses []network.Use, needed int, info engine.Info, half bool) (*Cached, error) {
	c := &Cached{from: from, cache: cache, half: half}
	device, _, _ := strings.Cut(info.Device, ":")
	for i, u := range uses {
		digest, err := u.Backbone.Digest()
		if err != nil {
			return nil, fmt.Errorf("feature cache: %w", err)
		}
		c.parts = append(c.parts, []string{digest, u.Layer, info.Version, device, fmt.Sprintf("half=%t", half)})
		if i < needed {
			c.shapes = append(c.shapes, u.Features().Shape()[1:])
		}
	}
	return c, nil
}

// Features implements Source.
func (c *Cached) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	n := images.Shape()[0]
	size := images.Len() / max(n, 1)
	out := make([]*engine.Tensor, len(c.shapes))
	for k := range out {
		var err error
		if out[k], err = engine.NewEmpty(append([]int{n}, c.shapes[k]...)); err != nil {
			return nil, err
		}
	}
	hashes, found := make([]PictureHash, n), make([]bool, n)
	err := parallel.For(ctx, n, 0, func(_ context.Context, i int) error {
		hashes[i] = HashPicture(images.Float32s()[i*size:][:size])
		found[i] = c.get(hashes[i], i, out)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range n {
		if found[i] {
			continue
		}
		image, err := pictureAt(images, i)
		if err != nil {
			return nil, err
		}
		features, err := c.from.Features(ctx, image)
		if err != nil {
			return nil, err
		}
		for k, f := range features {
			if k < len(out) {
				copy(out[k].Float32s()[i*f.Len():], f.Float32s())
			}
			c.cache.Put(hashes[i].Key(c.parts[k]...), f.Float32s(), c.half)
		}
	}
	return out, nil
}

// get reads the features of a picture into row i of out; false if the cache lacks any of them.
func (c *Cached) get(p PictureHash, i int, out []*engine.Tensor) bool {
	for k, t := range out {
		each := t.Len() / t.Shape()[0]
		if !c.cache.Get(p.Key(c.parts[k]...), t.Float32s()[i*each:][:each]) {
			return false
		}
	}
	return true
}

// Close implements Source.
func (c *Cached) Close() error { return nil }
