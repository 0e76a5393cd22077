package serve

import (
	"os"
	"path/filepath"
	"testing"
)

// The decoders of HEIC and AVIF may take a gibibyte for a picture of any size: it is in the budget,
// as far as the budget reaches.
func TestMemoryOfSandboxes(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "picture", "testdata", "cases", "other", "a.heic"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ budget, want int64 }{{8 << 30, 1 << 30}, {1 << 20, 1 << 20}} {
		j := newJob(t.Context(), &modelQueue{work: newBudget(c.budget)}, upload{data: data})
		if err := j.inspect(1 << 30); err != nil {
			t.Fatal(err)
		}
		if own := bytesPerPixel * j.pixels; j.bytes != min(c.want+own, c.budget) {
			t.Errorf("%d bytes of a budget of %d for a picture of %d pixels, expected %d", j.bytes, c.budget, j.pixels, min(c.want+own, c.budget))
		}
	}
}
