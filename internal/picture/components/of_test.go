package components

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// at says where a drawing has one of the signs.
func at(drawing, signs string) func(int) bool {
	return func(i int) bool { return slices.Contains([]byte(signs), drawing[i]) }
}

func cellsOf(width, height int, c Connectivity, from, in func(int) bool) (list [][]int) {
	for part := range Of(width, height, c, from, in) {
		slices.Sort(part)
		list = append(list, slices.Clone(part))
	}
	return list
}

// Sides connect, corners and the ends of rows do not.
func TestOf(t *testing.T) {
	const drawing = "" +
		"xx..x" +
		"x.x.." +
		"..xxx" +
		"x...."
	got := cellsOf(5, 4, Sides, at(drawing, "x"), at(drawing, "x"))
	want := [][]int{{0, 1, 5}, {4}, {7, 12, 13, 14}, {15}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, expected %v", got, want)
	}
	got = cellsOf(5, 4, Corners, at(drawing, "x"), at(drawing, "x"))
	want = [][]int{{0, 1, 5, 7, 12, 13, 14}, {4}, {15}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("with corners: got %v, expected %v", got, want)
	}
}

// flood is the slow, plain way: a component grows cell by cell.
func flood(width, height int, c Connectivity, from, in func(int) bool) (list [][]int) {
	seen := make([]bool, width*height)
	for start := range seen {
		if seen[start] || !from(start) {
			continue
		}
		seen[start] = true
		cells := []int{start}
		for k := 0; k < len(cells); k++ {
			x, y := cells[k]%width, cells[k]/width
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					u, v := x+dx, y+dy
					if c == Sides && dx*dy != 0 || u < 0 || v < 0 || u >= width || v >= height {
						continue
					}
					if i := v*width + u; !seen[i] && in(i) {
						seen[i] = true
						cells = append(cells, i)
					}
				}
			}
		}
		slices.Sort(cells)
		list = append(list, cells)
	}
	return list
}

func TestOfAsFlooding(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		width, height := 1+rng.IntN(30), 1+rng.IntN(20)
		values := make([]int, width*height)
		for i := range values {
			values[i] = rng.IntN(10)
		}
		weak := 3 + rng.IntN(4)
		in, from := func(i int) bool { return values[i] >= weak }, func(i int) bool { return values[i] >= weak+2 }
		for _, c := range []Connectivity{Sides, Corners} {
			got, want := cellsOf(width, height, c, from, in), flood(width, height, c, from, in)
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Fatalf("%d x %d, connectivity %d: got %v, expected %v", width, height, c, got, want)
			}
		}
	}
}

// Many parts that meet in the last row are joined quickly.
func BenchmarkComb(b *testing.B) {
	const side = 1000
	in := func(i int) bool { return i%2 == 0 || i/side == side-1 }
	for b.Loop() {
		for range Of(side, side, Sides, in, in) {
		}
	}
}

// A part grows from its strong places over weak ones; weak places alone do not form a part.
func TestFrom(t *testing.T) {
	const drawing = "" +
		"x..xX" +
		"X.x.." +
		"xx..x"
	got := cellsOf(5, 3, Sides, at(drawing, "X"), at(drawing, "xX"))
	want := [][]int{{3, 4}, {0, 5, 10, 11}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, expected %v", got, want)
	}
}

func TestEnds(t *testing.T) {
	all := func(int) bool { return true }
	none := func(int) bool { return false }
	if got := cellsOf(0, 0, Sides, all, all); got != nil {
		t.Errorf("an empty map has parts: %v", got)
	}
	if got := cellsOf(3, 2, Sides, none, all); got != nil {
		t.Errorf("parts without a start: %v", got)
	}
	if got := cellsOf(1, 3, Sides, all, all); len(got) != 1 || len(got[0]) != 3 {
		t.Errorf("a column is %v, expected one part of 3", got)
	}
	for range Of(2, 2, Sides, at("x..x", "x"), at("x..x", "x")) {
		break // must end without another part
	}
}
