package metric

import (
	"math/rand/v2"
	"testing"
)

// Pixel by pixel, at widths around those of the words that hold a row.
func TestMarkSureLooksAround(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for _, w := range []int{1, 2, 7, 14, 15, 48, 49, 50, 51, 62, 63, 64, 65, 77, 78, 114, 127, 128, 129, 200} {
		for _, h := range []int{1, 5, 8, 16, 40} {
			truth := make([]bool, w*h)
			switch r.IntN(4) {
			case 0: // sparse
				for i := range truth {
					truth[i] = r.IntN(150) == 0
				}
			case 1: // dense
				for i := range truth {
					truth[i] = r.IntN(150) != 0
				}
			default: // halves
				edge := r.IntN(w + 1)
				for i := range truth {
					truth[i] = i%w >= edge
				}
			}
			sure := make([]bool, w*h)
			for i := range sure {
				sure[i] = r.IntN(2) == 0 // what was there before must not matter
			}
			markSure(sure, truth, w, h)
			for i, got := range sure {
				if want := alone(truth, w, h, i, false, 7) || alone(truth, w, h, i, true, 5); got != want {
					t.Fatalf("%d x %d: (%d,%d) is %v, expected %v", w, h, i%w, i/w, got, want)
				}
			}
		}
	}
}

// alone says that no pixel has the value within the radius of pixel i, each way.
func alone(truth []bool, w, h, i int, value bool, radius int) bool {
	for y := max(0, i/w-radius); y <= min(h-1, i/w+radius); y++ {
		for x := max(0, i%w-radius); x <= min(w-1, i%w+radius); x++ {
			if truth[y*w+x] == value {
				return false
			}
		}
	}
	return true
}
