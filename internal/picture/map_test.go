package picture

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMapLevels(t *testing.T) {
	m := &Map{Prob: []float32{-1, 0, 0.5, 1, 2, float32(math.NaN()), 0.25, 0.4999}, Width: 4, Height: 2}
	if want := []uint8{0, 0, 128, 255, 255, 0, 64, 127}; !slices.Equal(m.ToGray().Pix, want) {
		t.Errorf("grey %v, want %v", m.ToGray().Pix, want)
	}
	// As in the published evaluation, a probability of exactly 0.5 is not over 0.5.
	if want := []uint8{0, 0, 0, 255, 255, 0, 0, 0}; !slices.Equal(m.Mask(0.5).Pix, want) {
		t.Errorf("mask %v, want %v", m.Mask(0.5).Pix, want)
	}
	if got := m.Fraction(0.5); got != 2.0/8 {
		t.Errorf("fraction %v, want 0.25", got)
	}
	// 0.1 is no float32; its nearest neighbour is above it, that of 0.7 below.
	for _, threshold := range []float64{0.1, 0.7} {
		p := float32(threshold)
		one := &Map{Prob: []float32{p}, Width: 1, Height: 1}
		if got, want := one.Fraction(threshold) == 1, float64(p) > threshold; got != want {
			t.Errorf("float32(%v) over %v: %v, want %v", threshold, threshold, got, want)
		}
	}
}

// floodRegions is the slow, plain way to find regions.
func floodRegions(m *Map, threshold float64, minArea int) []Region {
	seen := make([]bool, len(m.Prob))
	var found []Region
	for start := range m.Prob {
		if seen[start] || !(float64(m.Prob[start]) > threshold) {
			continue
		}
		seen[start] = true
		x0, y0, x1, y1, sum, peak := m.Width, m.Height, 0, 0, 0.0, 0.0
		stack, area := []int{start}, 0
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			x, y := i%m.Width, i/m.Width
			area++
			sum += float64(m.Prob[i])
			peak = max(peak, float64(m.Prob[i]))
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
			for j := max(y-1, 0); j <= min(y+1, m.Height-1); j++ {
				for k := max(x-1, 0); k <= min(x+1, m.Width-1); k++ {
					if n := j*m.Width + k; !seen[n] && float64(m.Prob[n]) > threshold {
						seen[n] = true
						stack = append(stack, n)
					}
				}
			}
		}
		if area >= minArea {
			found = append(found, Region{Box: [4]int{x0, y0, x1 - x0 + 1, y1 - y0 + 1}, Area: area, Mean: sum / float64(area), Peak: peak})
		}
	}
	return found
}

func TestRegions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		m := &Map{Width: 1 + r.IntN(24), Height: 1 + r.IntN(24)}
		for range m.Width * m.Height {
			m.Prob = append(m.Prob, r.Float32())
		}
		threshold, minArea := 0.3+0.6*r.Float64(), r.IntN(4)
		got, want := Regions(m, threshold, minArea), floodRegions(m, threshold, minArea)
		for i := 1; i < len(got); i++ {
			if got[i].Area > got[i-1].Area {
				t.Fatalf("areas are not in falling order: %v", got)
			}
		}
		order := cmpopts.SortSlices(func(a, b Region) bool {
			return slices.Compare([]int{a.Area, a.Box[0], a.Box[1], a.Box[2], a.Box[3], int(1e9 * a.Mean)},
				[]int{b.Area, b.Box[0], b.Box[1], b.Box[2], b.Box[3], int(1e9 * b.Mean)}) < 0
		})
		// Sums are taken in another order: a few units of 1e-16 each.
		if d := cmp.Diff(want, got, order, cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%d x %d, threshold %v, at least %d: %s", m.Width, m.Height, threshold, minArea, d)
		}
	}
}

func TestOverlay(t *testing.T) {
	p := noise(200, 120, 1)
	m := &Map{Prob: make([]float32, 200*120), Width: 200, Height: 120}
	for y := 40; y < 80; y++ {
		for x := 60; x < 120; x++ {
			m.Prob[y*200+x] = 0.9
		}
	}
	before := p.Clone()
	o := Overlay(p, m, 0.5)
	if !slices.Equal(p.Pix, before.Pix) {
		t.Error("the picture itself was painted on")
	}
	at := func(q *RGB, x, y int) [3]uint8 { return [3]uint8(q.Pix[3*(y*200+x):]) }
	for _, far := range [][2]int{{0, 0}, {199, 119}, {30, 60}, {90, 20}} {
		if at(o, far[0], far[1]) != at(p, far[0], far[1]) {
			t.Errorf("pixel %v, far from any probability, changed from %v to %v", far, at(p, far[0], far[1]), at(o, far[0], far[1]))
		}
	}
	if c := at(o, 90, 60); c[0] < c[2]+60 {
		t.Errorf("the middle of the region is %v, want a warm colour", c)
	}
	for _, edge := range [][2]int{{60, 60}, {119, 60}, {90, 40}, {90, 79}} {
		if c := at(o, edge[0], edge[1]); min(c[0], c[1], c[2]) < 200 {
			t.Errorf("pixel %v on the border is %v, want the white line", edge, c)
		}
	}
	// A map of another size is scaled.
	Overlay(p, &Map{Prob: []float32{0, 1, 1, 0}, Width: 2, Height: 2}, 0.5)
}

// TestOverlayBands: the result must not depend on how many processors there are.
func TestOverlayBands(t *testing.T) {
	p, m := noise(300, 401, 2), blobs(300, 401)
	many := Overlay(p, m, 0.5)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if one := Overlay(p, m, 0.5); !slices.Equal(one.Pix, many.Pix) {
		t.Error("one band and many bands differ")
	}
}

func TestWriteAtomically(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	if err := WritePNG(path, noise(30, 20, 1)); err != nil {
		t.Fatal(err)
	}
	if err := WriteJPEG(filepath.Join(dir, "b.jpg"), noise(30, 20, 1), 90); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v; want the two pictures only", len(files), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o444 != 0o444 {
		t.Errorf("mode %v, %v; want readable by all", info.Mode(), err)
	}
	if _, err := Open(path, Limits{}); err != nil {
		t.Error(err)
	}
	// A directory has the file's name: the rename fails.
	if err := os.MkdirAll(filepath.Join(dir, "c.png", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{filepath.Join(dir, "c.png"), filepath.Join(dir, "missing", "d.png")} {
		err := WritePNG(bad, NewGray(3, 3))
		if err == nil || !strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%v: want an error that names %s and no temporary file", err, bad)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestWriteReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("nothing is read-only for the superuser")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	err := WritePNG(filepath.Join(dir, "a.png"), NewGray(3, 3))
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v, want an error that says permission denied", err)
	}
}

func TestEncodeJPEG(t *testing.T) {
	p := noise(61, 47, 1)
	for _, quality := range []int{0, 101} {
		if _, err := EncodeJPEG(p, quality); err == nil {
			t.Errorf("quality %d is accepted", quality)
		}
	}
	ramp := NewRGB(61, 47)
	for i := range ramp.Pix {
		ramp.Pix[i] = uint8(2*(i/3%61) + 40*(i%3))
	}
	data, err := EncodeJPEG(ramp, 95)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	// A smooth ramp at quality 95 loses little; exact chroma placement shows here.
	if most, mean := difference(d.Pix, ramp.Pix); most > 8 || mean > 1 {
		t.Errorf("a ramp comes back with differences up to %d, mean %.2f", most, mean)
	}
}
