package dataset

import (
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/picture"
)

// The augmentations of the published method, as torchvision and Pillow define them. Each changes
// every picture.

// GaussianBlur convolves with a 5 x 5 Gaussian whose standard deviation is drawn evenly from
// [low, high] pixels. Beyond the border it reads the mirror image, without repeating the border.
func GaussianBlur(low, high float64) Augment {
	return func(r *rand.Rand, p *picture.Picture) (*picture.Picture, error) {
		return picture.New(blur5(p.RGB, low+(high-low)*r.Float64())), nil
	}
}

func blur5(p *picture.RGB, sigma float64) *picture.RGB {
	var kernel [5]float64
	sum := 0.0
	for i := range kernel {
		kernel[i] = math.Exp(-0.5 * float64((i-2)*(i-2)) / (sigma * sigma))
		sum += kernel[i]
	}
	across := make([]float64, len(p.Pix))
	out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
	for y := range p.Height {
		for x := range p.Width {
			for i, k := range kernel {
				from := 3 * (y*p.Width + reflected(x+i-2, p.Width))
				for c := range 3 {
					across[3*(y*p.Width+x)+c] += k / sum * float64(p.Pix[from+c])
				}
			}
		}
	}
	for y := range p.Height {
		for i := range 3 * p.Width {
			v := 0.0
			for j, k := range kernel {
				v += k / sum * across[3*reflected(y+j-2, p.Height)*p.Width+i]
			}
			out.Pix[3*y*p.Width+i] = uint8(math.RoundToEven(min(max(v, 0), 255)))
		}
	}
	return out
}

// reflected mirrors an index outside [0, size) at the border pixel.
func reflected(i, size int) int {
	if size == 1 {
		return 0
	}
	period := 2 * (size - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}

// ColorJitter changes brightness, contrast and saturation by factors drawn evenly from [1-strength,
// 1+strength], and the hue by a share of the colour circle drawn evenly from [-strength, strength],
// in random order.
func ColorJitter(strength float64) Augment {
	return func(r *rand.Rand, given *picture.Picture) (*picture.Picture, error) {
		p, order := given.RGB, r.Perm(4)
		var draw [4]float64
		for i := range draw {
			draw[i] = strength * (2*r.Float64() - 1)
		}
		for _, which := range order {
			switch which {
			case 0:
				p = brighten(p, 1+draw[0])
			case 1:
				p = contrast(p, 1+draw[1])
			case 2:
				p = saturate(p, 1+draw[2])
			default:
				p = turnHue(p, draw[3])
			}
		}
		return picture.New(p), nil
	}
}

// blend is from + factor (to - from), truncated to a whole level as in Pillow.
func blend(from, to uint8, factor float64) uint8 {
	v := float32(from) + float32(float32(factor)*(float32(to)-float32(from)))
	return uint8(min(max(v, 0), 255))
}

// brighten blends with black.
func brighten(p *picture.RGB, factor float64) *picture.RGB {
	return mapped(p, func(_, v uint8) uint8 { return blend(0, v, factor) })
}

// contrast blends with the picture's mean luma.
func contrast(p *picture.RGB, factor float64) *picture.RGB {
	sum := 0
	for i := 0; i < len(p.Pix); i += 3 {
		sum += int(picture.Luma(p.Pix[i], p.Pix[i+1], p.Pix[i+2]))
	}
	mean := uint8(float64(sum)/float64(len(p.Pix)/3) + 0.5)
	return mapped(p, func(_, v uint8) uint8 { return blend(mean, v, factor) })
}

// saturate blends with each pixel's luma.
func saturate(p *picture.RGB, factor float64) *picture.RGB {
	return mapped(p, func(grey, v uint8) uint8 { return blend(grey, v, factor) })
}

// mapped applies f to each value and its pixel's luma.
func mapped(p *picture.RGB, f func(grey, v uint8) uint8) *picture.RGB {
	out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
	for i := 0; i < len(p.Pix); i += 3 {
		grey := picture.Luma(p.Pix[i], p.Pix[i+1], p.Pix[i+2])
		for c := range 3 {
			out.Pix[i+c] = f(grey, p.Pix[i+c])
		}
	}
	return out
}

// turnHue turns the hue by a share of the circle, in Pillow's HSV with 8 bits per channel.
func turnHue(p *picture.RGB, share float64) *picture.RGB {
	turn := uint8(int(share * 255)) // truncated towards zero, then modulo the circle
	out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
	for i := 0; i < len(p.Pix); i += 3 {
		h, s, v := toHSV(p.Pix[i], p.Pix[i+1], p.Pix[i+2])
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = fromHSV(h+turn, s, v)
	}
	return out
}

// toHSV converts as Pillow does, in the same precisions.
func toHSV(r, g, b uint8) (h, s, v uint8) {
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0, high
	}
	spread := float32(high - low)
	rc, gc, bc := float32(high-r)/spread, float32(high-g)/spread, float32(high-b)/spread
	var hue float32
	switch high {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2.0 + float64(rc) - float64(bc))
	default:
		hue = float32(4.0 + float64(gc) - float64(rc))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	return uint8(float64(hue) * 255), uint8(float64(spread/float32(high)) * 255), high
}

// fromHSV is the inverse of toHSV, as in Pillow.
func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	saturation, place := float64(float32(float64(s)/255)), float64(float32(float64(h)*6/255))
	sector := math.Floor(place)
	within := float64(float32(place - sector))
	level := func(share float64) uint8 { return uint8(min(max(math.Round(float64(v)*share), 0), 255)) }
	p, q, t := level(1-saturation), level(1-saturation*within), level(1-saturation*(1-within))
	switch int(sector) % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}
