package evidence

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/picture"
)

// scene renders soft shapes with a texture and noise, as a photograph has them.
func scene(w, h int, seed uint64) *picture.RGB {
	random := rand.New(rand.NewPCG(seed, 1))
	p := picture.NewRGB(w, h)
	for i := range p.Pix {
		x, y := i/3%w, i/3/w
		v := 90 + 60*float64(x)/float64(w) + 30*math.Sin(float64(x)/5)*math.Cos(float64(y)/6) + 5*random.NormFloat64()
		p.Pix[i] = uint8(min(max(v, 1), 254))
	}
	return p
}

func saved(t *testing.T, p *picture.RGB, quality int) *picture.RGB {
	t.Helper()
	out, _, err := picture.ThroughJPEG(p, quality)
	if err != nil {
		t.Fatal(err)
	}
	return out.RGB
}

// The square in the middle of pasted pictures.
const from, to = 160, 288

// pasted puts the square of one picture on another, moved by some pixels.
func pasted(host, guest *picture.RGB, by int) *picture.RGB {
	out := host.Clone()
	for y := from; y < to; y++ {
		copy(out.Pix[3*(y*out.Width+from):3*(y*out.Width+to)], guest.Pix[3*((y+by)*guest.Width+from+by):])
	}
	return out
}

func find(t *testing.T, p *picture.RGB, grid jpeggrid.Grid) *Map {
	t.Helper()
	m, err := Find(context.Background(), p, grid)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Values) != Channels*m.Width*m.Height {
		t.Fatalf("%d values for %d x %d blocks", len(m.Values), m.Width, m.Height)
	}
	for i, v := range m.Values {
		if !(v >= -1 && v <= 1) {
			t.Fatalf("value %d is %g", i, v)
		}
	}
	return m
}

// means are a channel's means over the blocks well inside the square, and well outside of it.
func means(m *Map, channel int) (in, out float64) {
	var n [2]float64
	for i, v := range m.channel(channel) {
		x, y := side*(i%m.Width)-m.LeadX, side*(i/m.Width)-m.LeadY
		switch {
		case x >= from+16 && x+16 < to-8 && y >= from+16 && y+16 < to-8:
			in, n[0] = in+float64(v), n[0]+1
		case x < from-32 || x >= to+32 || y < from-32 || y >= to+32:
			out, n[1] = out+float64(v), n[1]+1
		}
	}
	return in / n[0], out / n[1]
}

// What was put into a JPEG file before it was saved again has high log-odds on the file's grid.
func TestDoubleCompression(t *testing.T) {
	host, guest := saved(t, scene(448, 448, 1), 70), scene(448, 448, 2)
	m := find(t, saved(t, pasted(host, guest, 0), 92), jpeggrid.Grid{})
	for k := range 2 { // the lowest frequencies
		if in, out := means(m, ownChannels+k); in < out+0.25 {
			t.Errorf("group %d: %.3f within the square, %.3f outside", k, in, out)
		}
	}
	if v := m.channel(stepsChannel)[0]; v <= 0 {
		t.Errorf("the steps are %g", v)
	}
	single := find(t, saved(t, pasted(scene(448, 448, 1), guest, 0), 92), jpeggrid.Grid{})
	if in, out := means(single, ownChannels); math.Abs(in-out) > 0.1 {
		t.Errorf("saved once: %.3f within the square, %.3f outside", in, out)
	}
}

// A part of another JPEG file that was moved by some pixels has borders at other places.
func TestForeignGrid(t *testing.T) {
	host, guest := saved(t, scene(448, 448, 3), 60), saved(t, scene(448, 448, 4), 60)
	m := find(t, pasted(host, guest, 3).Clone(), jpeggrid.Grid{})
	for _, first := range []int{columnChannels, rowChannels} {
		own, _ := means(m, first)
		foreign, rest := means(m, first+side-3)
		if own > -0.3 || foreign < 0.3 || math.Abs(rest) > 0.15 {
			t.Errorf("channel %d: own borders %.3f, foreign ones %.3f, outside %.3f", first, own, foreign, rest)
		}
	}
}

// Without JPEG, what JPEG leaves is 0 on average, and log-odds are 0.
func TestNoCompression(t *testing.T) {
	m := find(t, scene(448, 448, 5), jpeggrid.Grid{})
	for c := range Channels {
		var largest float64
		if in, out := means(m, c); math.Abs(in) > 0.15 || math.Abs(out) > 0.1 {
			t.Errorf("channel %d: %.3f within the square, %.3f outside", c, in, out)
		}
		for _, v := range m.channel(c) {
			largest = max(largest, math.Abs(float64(v)))
		}
		if (c < columnChannels || c == stepsChannel) && largest > 0 {
			t.Errorf("channel %d reaches %g", c, largest)
		}
	}
}

// A picture that lost columns and rows has the evidence of the whole one, on the grid that is left.
func TestCroppedPicture(t *testing.T) {
	whole := saved(t, scene(256, 256, 6), 60)
	whole.Steps = nil
	part := picture.NewRGB(whole.Width-3, whole.Height-5)
	for y := range part.Height {
		copy(part.Pix[3*y*part.Width:][:3*part.Width], whole.Pix[3*((y+5)*whole.Width+3):])
	}
	a, b := find(t, whole, jpeggrid.Grid{}), find(t, part, jpeggrid.Grid{X: 5, Y: 3})
	if b.Width != a.Width || b.Height != a.Height || b.LeadX != 3 || b.LeadY != 5 {
		t.Fatalf("%d x %d blocks, lead %d, %d", b.Width, b.Height, b.LeadX, b.LeadY)
	}
	for c := columnChannels; c < stepsChannel; c++ {
		for y := 5; y < a.Height; y++ {
			for x := 5; x < a.Width; x++ {
				// The medians of the whole picture change a little with the blocks at its border.
				if d := math.Abs(float64(a.channel(c)[y*a.Width+x] - b.channel(c)[y*a.Width+x])); d > 0.06 {
					t.Fatalf("channel %d, block %d,%d differs by %g", c, x, y, d)
				}
			}
		}
	}
}

// Tiny pictures have no log-odds, but evidence of the right size.
func TestTinyPictures(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 20}, {20, 3}, {8, 8}} {
		m := find(t, scene(size[0], size[1], 7), jpeggrid.Grid{X: 2, Y: 7})
		if m.Width != (size[0]+6+7)/8 || m.Height != (size[1]+1+7)/8 {
			t.Errorf("%v: %d x %d blocks", size, m.Width, m.Height)
		}
	}
}

func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Find(ctx, scene(448, 448, 8), jpeggrid.Grid{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCut(t *testing.T) {
	m := &Map{Width: 3, Height: 2, Values: make([]float32, Channels*6)}
	for i := range m.Values {
		m.Values[i] = float32(i)
	}
	got := make([]float32, Channels*4)
	m.Cut(got, 16, 8, 16, 16)
	for c := range Channels {
		for i := range 4 { // the last column and the last row are repeated
			if want := float32(c*6 + 5); got[c*4+i] != want {
				t.Fatalf("channel %d, block %d is %g, expected %g", c, i, got[c*4+i], want)
			}
		}
	}
	m.Cut(got, 0, 0, 16, 16)
	if got[0] != 0 || got[1] != 1 || got[2] != 3 || got[3] != 4 || got[4] != 6 {
		t.Errorf("the first blocks are %v", got[:5])
	}
}

// The evidence of a turned square is the turned evidence of the square.
func TestTurn(t *testing.T) {
	const n = 256
	p := saved(t, pasted(saved(t, scene(448, 448, 9), 70), saved(t, scene(448, 448, 10), 60), 3), 85)
	p.Steps = nil // mirrored steps would be exchanged, too
	square := picture.NewRGB(n, n)
	for y := range n {
		copy(square.Pix[3*y*n:][:3*n], p.Pix[3*((y+96)*p.Width+96):])
	}
	m := find(t, square, jpeggrid.Grid{})
	for turn := range Turns {
		turned := picture.NewRGB(n, n)
		for y := range n {
			for x := range n {
				i, j := x, y
				if turn&1 != 0 {
					i = n - 1 - i
				}
				if turn&2 != 0 {
					j = n - 1 - j
				}
				if turn&4 != 0 {
					i, j = j, i
				}
				copy(turned.Pix[3*(y*n+x):][:3], square.Pix[3*(j*n+i):])
			}
		}
		want := find(t, turned, jpeggrid.Grid{})
		got := Turn(m.Values, n/side, turn)
		for c := columnChannels; c < stepsChannel; c++ {
			for i := range n / side * (n / side) {
				x, y := i%(n/side), i/(n/side)
				if min(x, y) < 4 || max(x, y) >= n/side-4 {
					continue // differences at the picture's own borders
				}
				// Outermost columns and rows are not counted alike, which changes medians.
				if d := math.Abs(float64(got[c*n/side*n/side+i] - want.channel(c)[i])); d > 0.05 {
					t.Fatalf("turn %d, channel %d, block %d,%d: %g, expected %g", turn, c, x, y, got[c*n/side*n/side+i], want.channel(c)[i])
				}
			}
		}
	}
}

func BenchmarkFind(b *testing.B) {
	p := scene(2000, 1500, 11)
	for b.Loop() {
		if _, err := Find(context.Background(), p, jpeggrid.Grid{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*3/b.Elapsed().Seconds(), "megapixels/s")
}
