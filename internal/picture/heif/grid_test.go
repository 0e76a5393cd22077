package heif

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/declip/declip/internal/picture/sandbox"
)

// Strips of a grid give the pixels of the whole, rotated or not.
func TestGrid(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, name := range []string{"grid.heic", "gridrot.heic"} {
		data, err := os.ReadFile("../testdata/cases/other/" + name)
		if err != nil {
			t.Fatal(err)
		}
		h, err := readHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		g, err := newGrid(data, h)
		if err != nil || g.rows != 2 || g.cols != 6 || g.tileHeight != 64 {
			t.Fatalf("%s: %+v, %v", name, g, err)
		}
		strips, err := g.decode(context.Background())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole, err := decodeHEIC(context.Background(), data, h, limits(data, h))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strips.Width != whole.Width || strips.Height != whole.Height || !bytes.Equal(strips.Pix, whole.Pix) {
			t.Errorf("%s: strips give other pixels than the whole", name)
		}
	}
}

// Files without a grid, and damaged grids, are decoded as a whole.
func TestNoGrid(t *testing.T) {
	for name, data := range files(t) {
		if name == "grid.heic" || name == "gridrot.heic" {
			for n := range data {
				_, _ = newGrid(data[:n], header{}) // does not panic
			}
			continue
		}
		h, err := readHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		if g, err := newGrid(data, h); err == nil {
			t.Errorf("%s is a grid: %+v", name, g)
		}
	}
}

// Decoding ends when a file takes more work than it should.
func TestWork(t *testing.T) {
	data := files(t)["a.heic"]
	h, err := readHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeHEIC(context.Background(), data, h, sandbox.Limits{Work: 100_000, Memory: sandbox.MaxMemory}); err == nil {
		t.Error("a picture is decoded with less work than it takes")
	}
}

// A layout of any bytes is read or refused.
func FuzzGrid(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readHeader(data)
		if err != nil {
			return
		}
		g, err := newGrid(data, h)
		if err != nil {
			return
		}
		for _, rows := range [][2]int{{0, 1}, {0, g.rows / 2}, {g.rows / 2, g.rows}} {
			if b, h, err := g.strip(rows[0], rows[1]); err == nil && (len(b) != len(data) || h.height < 1) {
				t.Fatalf("a strip of %d rows in %d bytes", h.height, len(b))
			}
		}
	})
}
