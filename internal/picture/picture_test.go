package picture

import (
	"bytes"
	"image/png"
	"math/rand/v2"
	"testing"
)

// noise is a picture of smooth ramps with some noise, the same for a seed.
func noise(w, h int, seed uint64) *RGB {
	r := rand.New(rand.NewPCG(seed, 1))
	p := NewRGB(w, h)
	for i := range p.Pix {
		x, y := i/3%w, i/3/w
		p.Pix[i] = uint8(x*3 + y*(i%3+1) + r.IntN(24))
	}
	return p
}

func TestEncodePNG(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 5}, {640, 480}, {1500, 1100}} {
		p := noise(size[0], size[1], 7)
		for _, c := range []Compression{Fast, Small} {
			data, err := EncodePNG(p, c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := png.Decode(bytes.NewReader(data)); err != nil {
				t.Fatalf("%v: image/png refuses the file: %v", size, err)
			}
			d, err := Decode(data, Limits{})
			if err != nil {
				t.Fatalf("%v: %v", size, err)
			}
			if !bytes.Equal(d.Pix, p.Pix) {
				t.Errorf("%v: pixels changed on the way", size)
			}
			data, err = EncodePNG(p.ToGray(), c)
			if err != nil {
				t.Fatal(err)
			}
			g, err := DecodeGray(data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(g.Pix, p.ToGray().Pix) {
				t.Errorf("%v: grey pixels changed on the way", size)
			}
		}
	}
}
