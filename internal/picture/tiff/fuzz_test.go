package tiff

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/picture/raster"
)

// seeds adds the small files of all kinds.
func seeds(f *testing.F) {
	f.Helper()
	n := 0
	for _, pattern := range []string{"cases/tiff/*.tif", "cases/tiff/*.dng", "cases/variants/*.tif", "golden/decode/*.tiff"} {
		files, err := filepath.Glob("../testdata/" + pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 40_000 {
				f.Add(data)
				n++
			}
		}
	}
	if n == 0 {
		f.Fatal("no seeds")
	}
}

// Callers compare the size in the header with their limit; Decode must not find another one.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ReadHeader(data)
		if err != nil {
			return
		}
		width, height := h.Width, h.Height
		if width > 1<<16/height {
			return
		}
		m, err := Decode(t.Context(), data, noJPEG)
		if err != nil {
			return
		}
		if m.Width != width || m.Height != height || len(m.Pix) != m.Width*m.Height*m.Channels {
			t.Fatalf("%d x %d pixels in %d bytes, the header says %d x %d", m.Width, m.Height, len(m.Pix), width, height)
		}
	})
}

// noJPEG replaces the decoder of JPEG streams, which has tests of its own.
func noJPEG(_ context.Context, _ []byte, width, height int, _ bool) (*raster.Image, error) {
	return raster.New(width, height, 3), nil
}
