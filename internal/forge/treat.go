package forge

import (
	"context"
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

// Crop says how a photograph was prepared before its manipulation.
type Crop struct {
	X       int     `json:"x"` // origin in the photograph, pixels
	Y       int     `json:"y"`
	Width   int     `json:"width"` // of the window in the photograph
	Height  int     `json:"height"`
	Scale   float64 `json:"scale"`             // 1 = not resized
	Quality int     `json:"quality,omitempty"` // of a JPEG made after resizing; 0 = none
}

// crop cuts a window out of a photograph. One photograph in five is made smaller first, like
// pictures on the web.
func (f *Forger) crop(p *picture.RGB, d dice) (*picture.RGB, Crop, error) {
	longer := d.between(f.config.SizeMin, f.config.SizeMax)
	c := Crop{Scale: 1}
	if d.chance(0.2) {
		c.Scale = d.uniform(0.5, 0.95)
		// Never so small that the photograph ends up under the wanted size.
		c.Scale = min(1, max(c.Scale, float64(min(longer, max(p.Width, p.Height)))/float64(max(p.Width, p.Height))))
	}
	w, h := p.Width, p.Height
	if size := int(math.Ceil(float64(longer) / c.Scale)); max(w, h) > size {
		ratio := float64(min(w, h)) / float64(max(w, h))
		if d.chance(0.3) {
			ratio = d.uniform(0.6, 1)
		}
		shorter := max(min(minSide, min(w, h)), int(float64(size)*ratio))
		if w >= h {
			w, h = size, min(h, shorter)
		} else {
			w, h = min(w, shorter), size
		}
	}
	c.Width, c.Height = w, h
	c.X, c.Y = d.IntN(p.Width-w+1), d.IntN(p.Height-h+1)
	if d.chance(0.75) { // keeps the blocks of the camera's JPEG in place
		c.X, c.Y = c.X&^7, c.Y&^7
	}
	out := cropRGB(p, image.Rect(c.X, c.Y, c.X+w, c.Y+h))
	if c.Scale == 1 {
		return out, c, nil
	}
	out = picture.Resize(out, scaled(w, c.Scale), scaled(h, c.Scale))
	c.Scale = round3(c.Scale)
	if d.chance(0.5) {
		c.Quality = d.between(70, 96)
		stored, _, err := picture.ThroughJPEG(out, c.Quality)
		if err != nil {
			return nil, c, err
		}
		out = stored.RGB
	}
	return out, c, nil
}

func scaled(n int, scale float64) int { return max(1, int(math.Round(float64(n)*scale))) }

// window cuts a window of at most w x h pixels out of a photograph.
func (d dice) window(p *picture.RGB, w, h int) *picture.RGB {
	w, h = min(w, p.Width), min(h, p.Height)
	x, y := d.IntN(p.Width-w+1), d.IntN(p.Height-h+1)
	return cropRGB(p, image.Rect(x, y, x+w, y+h))
}

// Treatment is one step applied to the whole picture after the manipulation.
type Treatment struct {
	Kind  string  `json:"kind"`  // "blur", "noise", "resample" or "recompress"
	Value float64 `json:"value"` // sigma in pixels, sigma in levels, factor, quality
}

// drawTreatment draws the steps applied to the whole picture: one or sometimes two in the given
// share of the pictures, none in the others.
func (d dice) drawTreatment(treated float64) []Treatment {
	if !d.chance(treated) {
		return nil
	}
	kinds := d.Perm(4)[:1+d.weighted(0.9, 0.1)]
	var steps []Treatment
	for _, k := range kinds {
		switch k {
		case 0:
			steps = append(steps, Treatment{"blur", round3(d.uniform(0.3, 0.8))})
		case 1:
			steps = append(steps, Treatment{"noise", round3(d.uniform(0.5, 2.5))})
		case 2:
			steps = append(steps, Treatment{"resample", round3(d.uniform(0.7, 1.3))})
		default:
			steps = append(steps, Treatment{"recompress", float64(d.between(70, 95))})
		}
	}
	return steps
}

// treat applies one step to the picture, and to the mask where it moves pixels.
func (d dice) treat(s *Sample, step Treatment) error {
	w, h := s.Picture.Width, s.Picture.Height
	switch step.Kind {
	case "resample":
		w, h = max(minSide/2, scaled(w, step.Value)), max(minSide/2, scaled(h, step.Value))
		s.Picture = picture.Resize(s.Picture, w, h)
		s.Mask = picture.ResizeGray(s.Mask, w, h)
		for i, v := range s.Mask.Pix {
			s.Mask.Pix[i] = 0
			if v >= 128 {
				s.Mask.Pix[i] = 255
			}
		}
		return nil
	case "recompress":
		stored, _, err := picture.ThroughJPEG(s.Picture, int(step.Value))
		if err != nil {
			return err
		}
		s.Picture = stored.RGB
		return nil
	}
	rgb := levels(s.Picture.Pix)
	if step.Kind == "blur" {
		blurPlane(rgb, w, h, 3, step.Value)
	} else {
		d.addNoise(rgb, step.Value)
	}
	s.Picture = rounded(rgb, w, h)
	return nil
}

// finish treats the picture and encodes it in the file format in which it is saved.
func (f *Forger) finish(ctx context.Context, s *Sample, d dice) error {
	if f.config.Histories {
		return f.finishHistory(ctx, s, d)
	}
	s.Treatment = d.drawTreatment(f.config.Treated)
	for _, step := range s.Treatment {
		if err := d.treat(s, step); err != nil {
			return err
		}
	}
	s.Share = share(s.Mask)
	s.Format = FormatJPEG
	if chosen := choice(f.config.Formats); chosen != nil {
		s.Format = d.drawFormat(chosen)
	} else if d.chance(0.25) {
		s.Format = FormatPNG
	}
	switch s.Format {
	case FormatPNG:
		return nil
	case FormatWebP, FormatAVIF:
		_, err := d.storeAs(ctx, s, s.Format)
		return err
	}
	s.Quality = d.between(f.config.JPEGMin, f.config.JPEGMax)
	stored, file, err := picture.ThroughJPEG(s.Picture, s.Quality)
	if err != nil {
		return err
	}
	s.Picture, s.encoded = stored.RGB, file
	return nil
}
