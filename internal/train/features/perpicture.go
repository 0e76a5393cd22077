package features

import (
	"context"
	"sync"

	"github.com/declip/declip/internal/nn/engine"
)

// PerPicture is a Source that runs another one picture at a time. The last bits of a result may
// depend on the number of pictures that go through a network together; this way a picture has the
// same features in every batch.
type PerPicture struct {
	// Load gives the other source. It is called when features are first needed, and again after an
	// error.
	Load func() (Source, error)
	// Half rounds the features to half precision.
	Half bool

	mu     sync.Mutex // one picture at a time: it keeps all threads busy
	source Source     // nil until it is loaded
}

// Features implements Source.
func (p *PerPicture) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	var out []*engine.Tensor
	n := images.Shape()[0]
	for i := range n {
		image, err := pictureAt(images, i)
		if err != nil {
			return nil, err
		}
		features, err := p.one(ctx, image)
		if err != nil {
			return nil, err
		}
		if n == 1 {
			return features, nil
		}
		for k, f := range features {
			if i == 0 {
				all, err := engine.NewEmpty(append([]int{n}, f.Shape()[1:]...))
				if err != nil {
					return nil, err
				}
				out = append(out, all)
			}
			copy(out[k].Float32s()[i*f.Len():], f.Float32s())
		}
	}
	return out, nil
}

// pictureAt is the i-th picture of a batch [N, 3, side, side] as a batch of one. It shares the
// pixels.
func pictureAt(images *engine.Tensor, i int) (*engine.Tensor, error) {
	shape := images.Shape()
	size := images.Len() / shape[0]
	return engine.NewTensor(append([]int{1}, shape[1:]...), images.Float32s()[i*size:][:size])
}

func (p *PerPicture) one(ctx context.Context, image *engine.Tensor) ([]*engine.Tensor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.source == nil {
		loaded, err := p.Load()
		if err != nil {
			return nil, err
		}
		p.source = loaded
	}
	features, err := p.source.Features(ctx, image)
	if err != nil || !p.Half {
		return features, err
	}
	for _, f := range features {
		RoundToHalf(f.Float32s())
	}
	return features, nil
}

// Close closes the other source if it was loaded.
func (p *PerPicture) Close() error {
	if p.source == nil {
		return nil
	}
	return p.source.Close()
}
