// Package blobs decides which connected parts of a network's map stand for manipulations.
//
// One threshold does not serve all pictures. In some everything beside the manipulation is quiet, and its outline goes on
// far below the threshold; in others, mostly untouched ones, there are clouds of middling probability all over. So
// parts above a low threshold are taken whole, where enough of them lies above a higher one and the rest of the picture is
// quiet (two thresholds as in Canny's edges, 1986), and the others are brought below 0.5.
package blobs

import "math"

// The limits are logits of the network's map, and were set on forged and untouched pictures and on photographs as they came
// from the camera: a part's core and its surroundings were the two of nine properties of parts, pictures and their
// sizes that a logistic regression could not do without.
const (
	low      = -2.5 // a part's places lie above it
	core     = -1.0 // a part's core does
	peak     = -1.5 // a part's highest place lies above it
	leastLow = 8    // places of a part

	// A part is taken if the share of its core, and quiet times how far the mean of all else lies below 0, exceed plain together.
	quiet = 0.4
	plain = 2.2
)

// Weigh changes probabilities [height, width] so that of the parts that are taken all is above 0.5, and of all else nothing;
// their order stays within either.
func Weigh(prob []float32, width, height int) {
	w := weigher{width: width, height: height, logits: make([]float32, len(prob)), state: make([]uint8, len(prob))}
	for i, p := range prob {
		v := min(max(float64(p), 1e-6), 1-1e-6)
		w.logits[i] = float32(math.Log(v / (1 - v)))
		w.sum += float64(w.logits[i])
	}
	for i, v := range w.logits {
		if v > low && w.state[i] == unseen {
			w.part(i)
		}
	}
	for i, v := range w.logits {
		l := float64(v)
		switch {
		case w.state[i] == taken:
			l -= low
		case l > core:
			l = core * math.Exp(core-l) // goes on from core with slope 1 and stays below 0
		}
		prob[i] = float32(1 / (1 + math.Exp(-l)))
	}
}

// What is known of a place.
const (
	unseen uint8 = iota
	seen
	taken
)

type weigher struct {
	width, height int
	logits        []float32
	sum           float64 // of all logits
	state         []uint8
	places        []int // of the part in work
}

// part follows a part from one of its places, and marks it if it is taken.
func (w *weigher) part(start int) {
	w.places = append(w.places[:0], start)
	w.state[start] = seen
	inCore, sum, highest := 0, 0.0, math.Inf(-1)
	for k := 0; k < len(w.places); k++ {
		i := w.places[k]
		v := float64(w.logits[i])
		if v > core {
			inCore++
		}
		sum, highest = sum+v, max(highest, v)
		x, y := i%w.width, i/w.width
		w.reach(x-1, y)
		w.reach(x+1, y)
		w.reach(x, y-1)
		w.reach(x, y+1)
	}
	n, all := len(w.places), len(w.logits)
	if n < leastLow || highest <= peak {
		return
	}
	around := 0.0 // a part that is all of the picture has nothing around it
	if n < all {
		around = (w.sum - sum) / float64(all-n)
	}
	if float64(inCore)/float64(n)-quiet*around <= plain {
		return
	}
	for _, i := range w.places {
		w.state[i] = taken
	}
}

func (w *weigher) reach(x, y int) {
	if x < 0 || y < 0 || x >= w.width || y >= w.height {
		return
	}
	if i := y*w.width + x; w.state[i] == unseen && w.logits[i] > low {
		w.state[i] = seen
		w.places = append(w.places, i)
	}
}
