package copymove

// window is a rectangle of the picture, in pixels.
type window struct{ x, y, w, h int }

// area is some of the pixels of a window: in has h rows of w.
type area struct {
	window
	in []bool
}

func newArea(win window) area { return area{win, make([]bool, win.w*win.h)} }

// size is the number of pixels in the area.
func (a area) size() int {
	n := 0
	for _, in := range a.in {
		if in {
			n++
		}
	}
	return n
}

// has reports whether the pixel of the picture belongs to the area.
func (a area) has(x, y int) bool {
	x, y = x-a.x, y-a.y
	return x >= 0 && y >= 0 && x < a.w && y < a.h && a.in[y*a.w+x]
}

// holds reports whether the keypoint is in the area.
func (a area) holds(k *keypoint) bool { return a.has(int(k.x+.5), int(k.y+.5)) }

// mask is the area as a mask over a picture of w x h pixels.
func (a area) mask(w, h int) []bool {
	out := make([]bool, w*h)
	for y := range a.h {
		copy(out[(a.y+y)*w+a.x:][:a.w], a.in[y*a.w:])
	}
	return out
}

// around is the smallest window of a picture of w x h pixels that contains the targets of the
// matches and their surroundings, larger by half on each side. It begins and ends at even pixels.
func around(list []match, w, h int) window {
	x0, y0, x1, y1 := w, h, 0, 0
	for _, m := range list {
		r := int(seedRadius*m.to.scale) + 1
		x, y := int(m.to.x), int(m.to.y)
		x0, y0, x1, y1 = min(x0, x-r), min(y0, y-r), max(x1, x+r), max(y1, y+r)
	}
	grow := max(leastMargin, (x1-x0)/2, (y1-y0)/2)
	x0, y0 = max(x0-grow, 0)&^1, max(y0-grow, 0)&^1
	x1, y1 = min(x1+grow, w)&^1, min(y1+grow, h)&^1
	return window{x0, y0, max(x1-x0, 0), max(y1-y0, 0)}
}

// crop is the part of the plane in the window.
func (p plane) crop(win window) plane {
	out := newPlane(win.w, win.h)
	for y := range win.h {
		copy(out.pix[y*win.w:][:win.w], p.pix[(win.y+y)*p.w+win.x:])
	}
	return out
}
