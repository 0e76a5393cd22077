package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
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

// Alpha is dropped: colours that are stored multiplied by it are divided again.
func TestFromImageDropsAlpha(t *testing.T) {
	r := image.Rect(-3, 2, 4, 6) // not at the origin
	for name, m := range map[string]draw.Image{
		"NRGBA": image.NewNRGBA(r), "RGBA": image.NewRGBA(r), "NRGBA64": image.NewNRGBA64(r), "RGBA64": image.NewRGBA64(r),
	} {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				m.Set(x, y, color.NRGBA{uint8(20 * (x + 3)), 200, uint8(y), 128})
			}
		}
		p := FromImage(m)
		for i := range 7 * 4 {
			want := [3]int{20 * (i % 7), 200, 2 + i/7}
			for c, v := range p.Pix[3*i : 3*i+3] {
				if d := int(v) - want[c]; d < -2 || d > 2 { // half of 8 bits is lost to the alpha of one half
					t.Fatalf("%s: pixel %d is %v, expected %v", name, i, p.Pix[3*i:3*i+3], want)
				}
			}
		}
	}
	p := NewRGB(2, 2)
	if FromImage(p) != p || FromImage(&Picture{RGB: p}) != p {
		t.Error("an RGB was copied")
	}
}

func TestHasExtension(t *testing.T) {
	for name, want := range map[string]bool{"a.jpg": true, "dir/B.JPEG": true, "c.gif": true, "jpg": false, "d.jpg.txt": false, "e": false} {
		if got := HasExtension(name); got != want {
			t.Errorf("%s: got %v, expected %v", name, got, want)
		}
	}
}
