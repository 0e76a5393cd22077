package main

import (
	"image"

	"github.com/declip/declip/internal/forge"
	"github.com/declip/declip/internal/picture"
)

// forged manipulates the picture twice and returns it with the exact mask: a second balloon is
// pasted in, larger and tilted, from another exposure that was saved at a lower quality, and the
// boat is removed.
func forged(original *picture.RGB) (*picture.RGB, *picture.Gray, error) {
	w, h := original.Width, original.Height
	other, err := throughJPEG(photograph(w, h, 2), 70)
	if err != nil {
		return nil, nil, err
	}
	r := forge.NewRetouching(original)
	r.Paste(other, outline(w, h, 0, balloon), forge.Placement{
		Center: image.Pt(562, 152), Scale: 1.3, Angle: 7, Feather: 1.5,
	})
	r.Remove(outline(w, h, 5, boat))
	return r.Picture, r.Mask, nil
}

// outline marks the pixels within margin pixels of an object.
func outline(w, h, margin int, object func(x, y float64) (rgb, bool)) *picture.Gray {
	m := picture.NewGray(w, h)
	for y := range h {
		for x := range w {
			if _, ok := object(float64(x)+0.5, float64(y)+0.5); !ok {
				continue
			}
			for dy := max(0, y-margin); dy <= min(h-1, y+margin); dy++ {
				for dx := max(0, x-margin); dx <= min(w-1, x+margin); dx++ {
					m.Pix[dy*w+dx] = 255
				}
			}
		}
	}
	return m
}

func throughJPEG(p *picture.RGB, quality int) (*picture.RGB, error) {
	data, err := picture.EncodeJPEG(p, quality)
	if err != nil {
		return nil, err
	}
	d, err := picture.Decode(data, picture.Limits{})
	if err != nil {
		return nil, err
	}
	return d.RGB, nil
}
