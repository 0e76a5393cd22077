package picture

import (
	"image"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestContours(t *testing.T) {
	for name, c := range map[string]struct {
		rows []string
		want [][]image.Point
	}{
		"nothing":   {[]string{"..", ".."}, nil},
		"one pixel": {[]string{"..", ".#"}, [][]image.Point{{{2, 1}, {2, 2}, {1, 2}, {1, 1}}}},
		"all":       {[]string{"##", "##"}, [][]image.Point{{{2, 0}, {2, 2}, {0, 2}, {0, 0}}}},
		"a hole": {[]string{"###", "#.#", "###"}, [][]image.Point{
			{{3, 0}, {3, 3}, {0, 3}, {0, 0}}, {{2, 2}, {2, 1}, {1, 1}, {1, 2}},
		}},
		"a corner connects": {[]string{"#.", ".#"}, [][]image.Point{
			{{1, 0}, {1, 1}, {2, 1}, {2, 2}, {1, 2}, {1, 1}, {0, 1}, {0, 0}},
		}},
	} {
		m := NewGray(len(c.rows[0]), len(c.rows))
		for y, row := range c.rows {
			for x, r := range row {
				if r == '#' {
					m.Pix[y*m.Width+x] = 255
				}
			}
		}
		got := Contours(m)
		if !slices.EqualFunc(got, c.want, slices.Equal[[]image.Point]) {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
	}
}

// The signed areas of the polygons add up to the marked pixels.
func TestContoursHaveTheArea(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		m := NewGray(1+random.IntN(20), 1+random.IntN(20))
		share, marked := random.Float64(), 0
		for i := range m.Pix {
			if random.Float64() < share {
				m.Pix[i] = 255
				marked++
			}
		}
		twice := 0
		for _, polygon := range Contours(m) {
			for i, p := range polygon {
				q := polygon[(i+1)%len(polygon)]
				if p.X != q.X && p.Y != q.Y || p == q {
					t.Fatalf("%v to %v is not along a side of pixels", p, q)
				}
				twice += p.X*q.Y - q.X*p.Y
			}
		}
		if twice != 2*marked {
			t.Fatalf("an area of %d/2 of %d marked pixels in %d x %d", twice, marked, m.Width, m.Height)
		}
	}
}
