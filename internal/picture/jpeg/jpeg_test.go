package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// sample is a picture of waves as a baseline file.
func sample(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := func(a, b float64) uint8 { return uint8(128 + 100*math.Sin(float64(x)/a)*math.Cos(float64(y)/b)) }
			m.Set(x, y, color.RGBA{v(5, 7), v(9, 3), v(4, 11), 255})
		}
	}
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, m, &stdjpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The transform is the cosine transform, to half a level and what rounding between the passes adds.
func TestInverseDCT(t *testing.T) {
	seed := uint32(1)
	for range 200 {
		var block [64]int32
		var want [64]float64
		for range 12 {
			seed = seed*1664525 + 1013904223
			block[seed>>26] = int32(seed>>8&255) - 128
		}
		for y := range 8 {
			for x := range 8 {
				for k, c := range block {
					scale := func(f int) float64 {
						if f == 0 {
							return math.Sqrt(1.0 / 8)
						}
						return 0.5
					}
					v, u := k/8, k%8
					want[8*y+x] += float64(c) * scale(u) * scale(v) * math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) * math.Cos(float64(2*y+1)*float64(v)*math.Pi/16)
				}
			}
		}
		var got [64]uint8
		inverseDCT(&block, got[:], 8)
		for i, v := range want {
			if v = min(max(v+128, 0), 255); math.Abs(v-float64(got[i])) > 0.6 {
				t.Fatalf("sample %d is %d, expected %.2f", i, got[i], v)
			}
		}
		if block != [64]int32{} {
			t.Fatal("the block is not cleared")
		}
	}
}

// A file cut anywhere is an error that says so, unless all samples are there.
func TestTruncated(t *testing.T) {
	data := sample(t, 60, 45)
	for n := range len(data) - 2 {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a whole file", n, len(data))
		} else if n > 2 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// A changed byte may change the picture or be an error; it never panics.
func TestDamaged(t *testing.T) {
	data := sample(t, 40, 30)
	for i := range data {
		for _, v := range []byte{0, 0xff, data[i] ^ 0x10} {
			damaged := bytes.Clone(data)
			damaged[i] = v
			if m, err := Decode(damaged); err == nil && len(m.Planes) == 0 {
				t.Fatalf("byte %d: no planes and no error", i)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample(f, 17, 9))
	files, err := filepath.Glob("../testdata/golden/decode/*.jpg")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The caller limits the size in the header; here to 511 pixels.
		for _, mark := range []byte{markSOF0, markSOF1, markSOF2} {
			if i := bytes.Index(data, []byte{0xff, mark}); i >= 0 && i+9 < len(data) && (data[i+5] > 1 || data[i+7] > 1) {
				return
			}
		}
		m, err := Decode(data)
		if err != nil {
			return
		}
		for _, p := range m.Planes {
			if p.Width < 1 || p.Height < 1 || p.Stride < p.Width || len(p.Pix) < p.Stride*p.Height {
				t.Fatalf("plane of %d x %d, stride %d, %d samples", p.Width, p.Height, p.Stride, len(p.Pix))
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := sample(b, 2000, 1500)
	for name, decode := range map[string]func() error{
		"declip":   func() error { _, err := Decode(data); return err },
		"standard": func() error { _, err := stdjpeg.Decode(bytes.NewReader(data)); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(3 * 2000 * 1500)
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
