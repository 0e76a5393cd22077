package picture

import "image"

// Contours are the borders of what a mask [Height, Width] marks (values over 0), as closed polygons
// whose points are corners of pixels: (0, 0) is the upper left corner of the picture. Parts that
// touch at a corner are one, as in Regions. An outer border goes clockwise, as the picture is seen,
// and the border of a hole the other way round; so the areas inside, with their signs, add up to
// the number of marked pixels. Points are where the border turns; the first is not repeated.
func Contours(mask *Gray) (list [][]image.Point) {
	t := &borders{mask: mask, seen: make([]bool, mask.Width*(mask.Height+1))}
	for y := range mask.Height {
		for x := range mask.Width {
			// Every border has an upper side of a marked pixel.
			if t.inside(x, y) && !t.inside(x, y-1) && !t.seen[y*mask.Width+x] {
				list = append(list, t.follow(x, y))
			}
		}
	}
	return list
}

// borders follows the borders of a mask.
type borders struct {
	mask *Gray
	seen []bool // [Height+1, Width]: upper sides of pixels that a border has passed
}

func (t *borders) inside(x, y int) bool {
	return x >= 0 && y >= 0 && x < t.mask.Width && y < t.mask.Height && t.mask.Pix[y*t.mask.Width+x] > 0
}

// Directions along the sides of pixels. What is marked is on the right-hand side.
const (
	goRight = iota
	goDown
	goLeft
	goUp
	directions
)

// steps are the moves of the directions; ahead are the pixels on the left and on the right in front
// of a corner, for each direction.
var (
	steps = [directions]image.Point{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}
	ahead = [directions][2]image.Point{
		{{0, -1}, {0, 0}}, {{0, 0}, {-1, 0}}, {{-1, 0}, {-1, -1}}, {{-1, -1}, {0, -1}},
	}
)

// follow gives the border that passes the upper side of the pixel (x, y).
func (t *borders) follow(x, y int) (points []image.Point) {
	start := image.Pt(x, y)
	at, direction := start, goRight
	for {
		if direction == goRight {
			t.seen[at.Y*t.mask.Width+at.X] = true
		}
		at = at.Add(steps[direction])
		left, right := at.Add(ahead[direction][0]), at.Add(ahead[direction][1])
		next := (direction + 1) % directions
		switch {
		case t.inside(left.X, left.Y): // also if the pixel on the right is not: corners connect
			next = (direction + directions - 1) % directions
		case t.inside(right.X, right.Y):
			next = direction
		}
		if next != direction {
			points = append(points, at)
		}
		if direction = next; at == start && direction == goRight {
			return points
		}
	}
}
