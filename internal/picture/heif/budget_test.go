package heif

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/picture/sandbox"
)

// Measured pictures have at least twice the work that they take, and hostile ones of 12 megapixels
// have work for 13 seconds at 75 million passes in a second.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		name         string
		kind         string
		pixels, size int
		work         int64 // passes of loops, measured with the embedded decoders
	}{
		{"12 MP, smooth", "heic", 12_000_000, 394_727, 150e6},
		{"12 MP, noisy", "heic", 12_000_000, 6_367_026, 237e6},
		{"12 MP, noise of quality 95", "heic", 12_000_000, 9_401_204, 323e6},
		{"12 MP in tiles of 512", "heic", 12_192_768, 1_820_316, 469e6},
		{"1 MP of noise, 4:4:4", "heic", 1_000_000, 3_436_830, 67e6},
		{"3 MP, slow preset", "heic", 3_000_000, 474_381, 82e6},
		{"3 MP", "avif", 3_000_000, 158_964, 102e6},
		{"3 MP, nearly lossless", "avif", 3_000_000, 1_331_917, 113e6},
		{"1 MP of noise, nearly lossless", "avif", 1_000_000, 2_190_938, 118e6},
		{"1 MP of noise, lossless", "avif", 1_000_000, 4_266_330, 167e6},
		{"12 MP of noise, nearly lossless", "avif", 12_000_000, 12 * 2_190_938, 12 * 118e6},
	} {
		if got := budget(c.kind, c.pixels, c.size); got < 2*c.work {
			t.Errorf("%s: work for %d passes, expected twice %d", c.name, got, c.work)
		}
	}
	for _, kind := range []string{"heic", "avif"} {
		if got := budget(kind, 12_000_000, 1_000_000); got > 1000e6 {
			t.Errorf("%s: 12 megapixels in a megabyte have work for %d passes, expected at most 1000 million", kind, got)
		}
	}
}

// The cases are decoded with half of their budget.
func TestHalfBudget(t *testing.T) {
	for name, data := range files(t) {
		h, err := readHeader(data)
		if err != nil || Kind(data) != "heic" {
			continue
		}
		use := limits(data, h)
		use.Work /= 2
		if _, err := decodeHEIC(context.Background(), data, h, use); err != nil {
			t.Errorf("%s: %v with half of its budget", name, err)
		}
		use = sandbox.Limits{Work: use.Work / 1000, Memory: sandbox.MaxMemory}
		if _, err := decodeHEIC(context.Background(), data, h, use); err == nil {
			t.Errorf("%s: decoded with a two-thousandth of its budget", name)
		}
	}
}
