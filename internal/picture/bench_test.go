package picture

import (
	"bytes"
	"image/jpeg"
	"testing"
)

var sizes = []struct {
	name string
	w, h int
}{{"1MP", 1200, 833}, {"12MP", 4000, 3000}}

// blobs is a map like a network's: smooth, mostly low, with a few peaks.
func blobs(w, h int) *Map {
	small := make([]float32, 16*16)
	for i := range small {
		small[i] = float32(i%7) * 0.02
	}
	for _, i := range []int{5*16 + 5, 5*16 + 6, 6*16 + 5, 11*16 + 11} {
		small[i] = 0.97
	}
	return &Map{Prob: ResizeFloat(small, 16, 16, w, h), Width: w, Height: h}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	for _, s := range sizes {
		data, err := EncodeJPEG(noise(s.w, s.h, 1), 90)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.name+"/planes", func(b *testing.B) {
			for b.Loop() {
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodePNG(b *testing.B) {
	for _, s := range sizes {
		p, m := noise(s.w, s.h, 1), blobs(s.w, s.h)
		prob, mask := m.ToGray(), m.Mask(0.5)
		for name, f := range map[string]func(Compression) ([]byte, error){
			"overlay": func(c Compression) ([]byte, error) { return EncodePNG(p, c) },
			"prob":    func(c Compression) ([]byte, error) { return EncodePNG(prob, c) },
			"mask":    func(c Compression) ([]byte, error) { return EncodePNG(mask, c) },
		} {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				size := 0
				for b.Loop() {
					data, err := f(Fast)
					if err != nil {
						b.Fatal(err)
					}
					size = len(data)
				}
				b.ReportMetric(float64(size)/1e6, "MB")
			})
		}
	}
}

func BenchmarkOverlay(b *testing.B) {
	for _, s := range sizes {
		p, m := noise(s.w, s.h, 1), blobs(s.w, s.h)
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				Overlay(p, m, 0.5)
			}
		})
	}
}

func BenchmarkRegions(b *testing.B) {
	for _, s := range sizes {
		m := blobs(s.w, s.h)
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				Regions(m, 0.5, 16)
			}
		})
	}
}

func BenchmarkResize(b *testing.B) {
	p := noise(4000, 3000, 1)
	b.Run("12MP-to-224", func(b *testing.B) {
		for b.Loop() {
			Resize(p, 224, 224)
		}
	})
	src := make([]float32, 256*256)
	b.Run("256-to-12MP-float", func(b *testing.B) {
		for b.Loop() {
			ResizeFloat(src, 256, 256, 4000, 3000)
		}
	})
}
