package metric

const (
	erosion  = 15 / 2 // radius in pixels of the window of the minimum filter
	dilation = 11 / 2 // and of the maximum filter
)

// markSure marks the pixels that F1 counts. A pixel of a mask eroded by a 15 x
// 15 minimum filter is one with no pristine pixel around it, and one outside the
// mask dilated by an 11 x 11 maximum filter has no manipulated pixel around it;
// padding never counts against a pixel.
func markSure(sure, truth []bool, w, h int) {
	clear(sure)
	markFar(sure, truth, false, w, h, erosion)
	markFar(sure, truth, true, w, h, dilation)
}

// markFar sets far for every pixel with no pixel of the given value in the
// square of the given radius around it. It keeps, for each column, how many such
// pixels the rows of the window hold, and slides the window down; per row it
// slides it along. Windows are at most 15 rows, so a byte holds a count.
func markFar(far, mask []bool, value bool, w, h, radius int) {
	column := make([]uint8, w)
	change := func(y int, by uint8) {
		row := mask[y*w : (y+1)*w]
		for x, v := range row {
			if v == value {
				column[x] += by
			}
		}
	}
	for y := range min(radius, h) {
		change(y, 1)
	}
	for y := range h {
		if y+radius < h {
			change(y+radius, 1)
		}
		if y > radius {
			change(y-radius-1, ^uint8(0)) // one less
		}
		row := far[y*w : (y+1)*w]
		// next is the first column that has not been looked at, last the last
		// one that held the value.
		next, last := 0, -radius-1
		for x := range row {
			for next < w && next <= x+radius {
				if column[next] != 0 {
					last = next
				}
				next++
			}
			if x-last > radius {
				row[x] = true
			}
		}
	}
}
