package rastertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/picture/raster"
)

// Files reads the test pictures of package picture that match the patterns, by their names without
// directories. Fewer than least fail the test.
func Files(t testing.TB, least int, patterns ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range patterns {
		names, err := filepath.Glob("../testdata/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if all[filepath.Base(name)], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all) < least {
		t.Fatalf("%d files match %q, expected at least %d", len(all), patterns, least)
	}
	return all
}

// largestSeed is the size in bytes above which a file makes fuzzing slow.
const largestSeed = 40_000

// AddSeeds adds the files that Files finds to the corpus, without the large ones. The test fails if
// no file is left.
func AddSeeds(f *testing.F, patterns ...string) {
	f.Helper()
	n := 0
	for _, data := range Files(f, 1, patterns...) {
		if len(data) < largestSeed {
			f.Add(data)
			n++
		}
	}
	if n == 0 {
		f.Fatal("no seeds")
	}
}

// Reader is what the readers have in common.
type Reader struct {
	ReadSize func(data []byte) (width, height int, err error)
	Decode   func(ctx context.Context, data []byte) (*raster.Image, error)
}

// most is how many pixels FuzzDecode decodes, so that a run is short.
const most = 1 << 16

// Check decodes a file. An error is right; a picture must have the size in the header, with which
// callers have compared their limit.
func (r Reader) Check(t *testing.T, data []byte) {
	t.Helper()
	width, height, err := r.ReadSize(data)
	if err != nil {
		return
	}
	m, err := r.Decode(t.Context(), data)
	if err != nil {
		return
	}
	if m.Width != width || m.Height != height || len(m.Pix) != m.Width*m.Height*m.Channels {
		t.Errorf("%d x %d pixels in %d bytes, the header says %d x %d", m.Width, m.Height, len(m.Pix), width, height)
	}
}

// FuzzDecode is Check for small pictures.
func (r Reader) FuzzDecode(f *testing.F) {
	f.Helper()
	f.Fuzz(func(t *testing.T, data []byte) {
		if width, height, err := r.ReadSize(data); err == nil && width <= most/height {
			r.Check(t, data)
		}
	})
}

// FuzzWithoutHeader is FuzzDecode for readers that read the header again: a file whose header
// cannot be read must not be decoded.
func (r Reader) FuzzWithoutHeader(f *testing.F) {
	f.Helper()
	f.Fuzz(func(t *testing.T, data []byte) {
		width, height, err := r.ReadSize(data)
		switch {
		case err != nil:
			if _, err := r.Decode(t.Context(), data); err == nil {
				t.Fatal("decoded without a header")
			}
		case width <= most/height:
			r.Check(t, data)
		}
	})
}

// CheckDamaged is Check for a file with eight bytes changed at each of the places.
func (r Reader) CheckDamaged(t *testing.T, name string, data []byte, places ...int) {
	t.Helper()
	for _, at := range places {
		damaged := append([]byte{}, data...)
		for i := range 8 {
			damaged[at+i] ^= 0x5a
		}
		t.Run(name, func(t *testing.T) { r.Check(t, damaged) })
	}
}
