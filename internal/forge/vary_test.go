package forge

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// contents are the files of a directory by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func TestVaryIsAFunctionOfSeedAndPlace(t *testing.T) {
	photos := photoFolder(t, 4)
	made := map[int]map[string]string{}
	for _, workers := range []int{1, 3} {
		out := filepath.Join(t.TempDir(), "out")
		v, err := Vary(t.Context(), VaryConfig{Photos: photos, Formats: usualFormats(), Out: out, Copies: 3, Seed: 5, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if v.Made != 12 || v.Photos != 4 || len(v.Unreadable) != 0 {
			t.Errorf("made %d of %d photographs, %d unreadable", v.Made, v.Photos, len(v.Unreadable))
		}
		made[workers] = contents(t, out)
	}
	if len(made[1]) != 13 {
		t.Errorf("%d files, expected 12 pictures and the record of the run", len(made[1]))
	}
	seen := map[string]string{}
	for name, data := range made[1] {
		if made[3][name] != data {
			t.Errorf("%s differs with three workers", name)
		}
		if other, ok := seen[data]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[data] = name
	}
}

func TestVaryGoesOnPastBrokenPhotographs(t *testing.T) {
	photos := photoFolder(t, 2)
	if err := os.WriteFile(filepath.Join(photos, "broken.jpg"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	v, err := Vary(t.Context(), VaryConfig{Photos: photos, Formats: usualFormats(), Out: out, Copies: 2})
	if err != nil {
		t.Fatal(err)
	}
	if v.Made != 4 || len(v.Unreadable) != 1 || !strings.Contains(v.Unreadable[0].Err.Error(), "broken.jpg") {
		t.Errorf("made %d, unreadable %v", v.Made, v.Unreadable)
	}
}

func TestVaryRefuses(t *testing.T) {
	photos := photoFolder(t, 1)
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "broken.jpg"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "out")
	for want, c := range map[string]VaryConfig{
		"inside the directory of photographs": {Formats: usualFormats(), Photos: photos, Out: filepath.Join(photos, "out"), Copies: 1},
		"copies is 0":                         {Formats: usualFormats(), Photos: photos, Out: fresh},
		"broken.jpg":                          {Formats: usualFormats(), Photos: broken, Out: fresh, Copies: 1},
		"mine.txt":                            {Formats: usualFormats(), Photos: photos, Out: full, Copies: 1},
	} {
		if _, err := Vary(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected an error with %q, got %v", want, err)
		}
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a folder stays of a run that made nothing")
	}
}

// An even grey stays even but for noise: nothing is put in anywhere.
func TestVaryPutsNothingIn(t *testing.T) {
	grey := picture.NewRGB(200, 160)
	for i := range grey.Pix {
		grey.Pix[i] = 120
	}
	for i := range uint64(60) {
		p := newDice(3, i).vary(grey)
		n := float64(p.Width * p.Height)
		for c := range 3 {
			var sum, squares, rows float64
			for y := range p.Height {
				row := 0.0
				for x := range p.Width {
					v := float64(p.Pix[3*(y*p.Width+x)+c])
					row += v
					squares += v * v
				}
				sum += row
				rows += row * row / float64(p.Width)
			}
			mean := sum / n
			spread := math.Sqrt(max(squares/n-mean*mean, 0))
			if between := math.Sqrt(max(rows/n-mean*mean, 0)); spread > 5 || between > 1 {
				t.Fatalf("picture %d, channel %d: spread %.2f levels, between rows %.2f", i, c, spread, between)
			}
		}
	}
}

func TestMedian3(t *testing.T) {
	p := make([]float32, 3*5*4)
	for i := range p {
		p[i] = float32(10 + i%3)
	}
	p[3*(1*5+2)+1] = 200 // a speck
	for i, v := range median3(p, 5, 4) {
		if v != float32(10+i%3) {
			t.Fatalf("value %d is %g", i, v)
		}
	}
}

// Far from what is in focus, pictures get smooth; in focus they stay as they are.
func TestDefocus(t *testing.T) {
	p := texture(240, 200, 7)
	kept, smoothed := 0, 0
	for i := range uint64(8) {
		out := newDice(9, i).defocus(p)
		for y := 0; y+40 <= p.Height; y += 40 {
			for x := 0; x+40 <= p.Width; x += 40 {
				a, b := roughness(p, x, y, 40), roughness(out, x, y, 40)
				switch {
				case b > 0.98*a:
					kept++
				case b < 0.5*a:
					smoothed++
				}
			}
		}
	}
	if kept < 10 || smoothed < 15 {
		t.Errorf("%d parts kept, %d smoothed", kept, smoothed)
	}
}

// roughness is the mean difference of neighbours in a square of p.
func roughness(p *picture.RGB, x0, y0, side int) (sum float64) {
	for y := y0; y < y0+side; y++ {
		for x := x0; x+1 < x0+side; x++ {
			i := 3 * (y*p.Width + x)
			sum += math.Abs(float64(p.Pix[i]) - float64(p.Pix[i+3]))
		}
	}
	return sum / float64(side*(side-1))
}
