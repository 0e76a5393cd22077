package dataset

import (
	"math/rand/v2"

	"github.com/declip/declip/internal/picture"
)

// Augment changes a picture at random without moving its pixels, so that the mask stays valid. It
// does not write to its argument: it returns a new picture, or the same one for no change. A new
// picture that was read from a JPEG file has that file's coefficients.
type Augment func(r *rand.Rand, p *picture.Picture) (*picture.Picture, error)

// apply runs augmentations one after the other.
func apply(list []Augment, r *rand.Rand, p *picture.Picture) (*picture.Picture, error) {
	var err error
	for _, augment := range list {
		if p, err = augment(r, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Tone changes brightness and contrast of the given share of pictures by up to strength (0.2 means
// a factor in [0.8, 1.2] and a shift of up to 0.2*64 levels).
func Tone(share, strength float64) Augment {
	return func(r *rand.Rand, p *picture.Picture) (*picture.Picture, error) {
		hit, gain, shift := r.Float64() < share, 1+strength*(2*r.Float64()-1), 64*strength*(2*r.Float64()-1)
		if !hit {
			return p, nil
		}
		var table [256]uint8
		for v := range table {
			table[v] = uint8(min(max(gain*(float64(v)-128)+128+shift+0.5, 0), 255))
		}
		out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
		for i, v := range p.Pix {
			out.Pix[i] = table[v]
		}
		return picture.New(out), nil
	}
}

// Recompress saves the given share of pictures as JPEG (4:2:0), at a quality drawn evenly from
// [low, high], and reads them back.
func Recompress(share float64, low, high int) Augment {
	return func(r *rand.Rand, p *picture.Picture) (*picture.Picture, error) {
		hit, quality := r.Float64() < share, low+r.IntN(max(high-low, 0)+1)
		if !hit {
			return p, nil
		}
		stored, _, err := picture.ThroughJPEG(p.RGB, quality)
		return stored, err
	}
}

// Noise adds Gaussian noise to the given share of pictures. Its standard deviation is drawn evenly
// from (0, sigma] levels.
func Noise(share, sigma float64) Augment {
	return func(r *rand.Rand, p *picture.Picture) (*picture.Picture, error) {
		hit, sd := r.Float64() < share, sigma*r.Float64()
		if !hit {
			return p, nil
		}
		out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
		for i, v := range p.Pix {
			out.Pix[i] = uint8(min(max(float64(v)+sd*r.NormFloat64()+0.5, 0), 255))
		}
		return picture.New(out), nil
	}
}
