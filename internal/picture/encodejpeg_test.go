package picture

import (
	"bytes"
	"context"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// waves renders soft shapes with noise.
func waves(w, h int) *RGB {
	random := rand.New(rand.NewPCG(3, uint64(w*h)))
	p := NewRGB(w, h)
	for i := range p.Pix {
		x, y, c := i/3%w, i/3/w, i%3
		v := 128 + 70*math.Sin(float64(x)/7+float64(c)) + 40*math.Cos(float64(y)/11) + 6*random.NormFloat64()
		p.Pix[i] = uint8(min(max(v, 0), 255))
	}
	return p
}

func decoded(t *testing.T, file []byte) *Picture {
	t.Helper()
	p, err := Decode(file, Limits{MaxPixels: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Without subsampling and with steps of 1, the file has the bits of libjpeg's.
func TestEncodeJPEGTablesIsLibjpegs(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {8, 8}, {47, 33}, {64, 40}} {
		p := waves(size[0], size[1])
		file, err := EncodeJPEGTables(p, StandardTables(100))
		if err != nil {
			t.Fatal(err)
		}
		got := decoded(t, file)
		want, coefficients, err := p.ThroughJPEG(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.RGB.Pix, want.Pix) {
			t.Errorf("%v: the pixels differ", size)
		}
		c, err := got.Coefficients(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Values, coefficients.Values) {
			t.Errorf("%v: the coefficients differ", size)
		}
	}
}

// Files of every subsampling have the steps that were asked for, and show the picture to other
// decoders, too.
func TestEncodeJPEGTables(t *testing.T) {
	p := waves(83, 61)
	for _, by := range [][2]int{{1, 1}, {2, 1}, {1, 2}, {2, 2}} {
		tables := StandardTables(85)
		tables.Horizontal, tables.Vertical = by[0], by[1]
		tables.Luma[9], tables.Chroma[0] = 33, 2
		file, err := EncodeJPEGTables(p, tables)
		if err != nil {
			t.Fatal(err)
		}
		got := decoded(t, file)
		for i, s := range got.RGB.Steps {
			if s != uint16(tables.Luma[i]) {
				t.Fatalf("%v: step %d is %d, expected %d", by, i, s, tables.Luma[i])
			}
		}
		if d := meanError(got.RGB, p); d > 7 {
			t.Errorf("%v: the picture is off by %.2f levels on average", by, d)
		}
		other, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if b := other.Bounds(); b.Dx() != p.Width || b.Dy() != p.Height {
			t.Errorf("%v: another decoder sees %v", by, b)
		}
	}
}

// At equal quality, the file is as near to the picture as that of the standard library.
func TestEncodeJPEGTablesLikeTheStandardLibrary(t *testing.T) {
	p := waves(160, 128)
	for _, quality := range []int{30, 75, 95} {
		tables := StandardTables(quality)
		tables.Horizontal, tables.Vertical = 2, 2
		file, err := EncodeJPEGTables(p, tables)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := EncodeJPEG(p, quality)
		if err != nil {
			t.Fatal(err)
		}
		own, others := meanError(decoded(t, file).RGB, p), meanError(decoded(t, reference).RGB, p)
		if own > 1.02*others || *decoded(t, file).RGB.Steps != *decoded(t, reference).RGB.Steps {
			t.Errorf("quality %d: off by %.3f levels, the standard library's by %.3f", quality, own, others)
		}
	}
}

// meanError is the mean absolute difference of two pictures in levels.
func meanError(a, b *RGB) float64 {
	sum := 0.0
	for i, v := range a.Pix {
		sum += math.Abs(float64(v) - float64(b.Pix[i]))
	}
	return sum / float64(len(a.Pix))
}

func TestEncodeJPEGTablesRefuses(t *testing.T) {
	zero := StandardTables(50)
	zero.Chroma[7] = 0
	wide := StandardTables(50)
	wide.Horizontal = 4
	for want, tables := range map[string]JPEGTables{"step 7 is 0": zero, "4 x 1 pixels": wide} {
		if _, err := EncodeJPEGTables(NewRGB(8, 8), tables); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	if _, err := EncodeJPEGTables(NewRGB(70000, 1), StandardTables(50)); err == nil {
		t.Error("a picture of 70000 pixels is taken")
	}
}
