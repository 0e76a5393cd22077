// Package blobs decides which connected parts of a network's map stand for manipulations.
//
// A network that judges a picture as a whole draws a manipulation as one part with a sure core. Where it is mistaken it
// leaves specks, or clouds that hardly reach the threshold anywhere. So parts above 0.5 stay where they are large enough
// and enough of them is sure (two thresholds, as in Canny's edges, 1986), and all else is brought below 0.5.
package blobs

import "math"

// The limits were set on forged and untouched pictures and on photographs as they came from the camera.
const (
	sure      = 1.0 // the logit above which a place belongs to its part's core
	leastCore = 0.3 // share of a part that is core

	// A part has this share of the picture, within bounds in pixels.
	leastShare = 0.002
	leastArea  = 256
	mostArea   = 4096

	// Logits of what does not stay go on from -bend with slope 1, and stay below 0.
	bend = 1.0
)

// Weigh changes probabilities [height, width], each of stride x stride pixels, so that only parts that stay are above 0.5. The
// order of what stays is what it was, and so is that of all else.
func Weigh(prob []float32, width, height, stride int) {
	area := stride * stride
	w := weigher{width: width, height: height, logits: make([]float32, len(prob)), state: make([]uint8, len(prob))}
	w.least = min(max(leastShare*float64(area*len(prob)), leastArea), mostArea) / float64(area)
	for i, p := range prob {
		v := min(max(float64(p), 1e-6), 1-1e-6)
		w.logits[i] = float32(math.Log(v / (1 - v)))
	}
	for i, v := range w.logits {
		if v > 0 && w.state[i] == unseen {
			w.part(i)
		}
	}
	for i, v := range w.logits {
		if l := float64(v); w.state[i] != stays && l > -bend {
			l = -bend * math.Exp(-(l+bend)/bend)
			prob[i] = float32(1 / (1 + math.Exp(-l)))
		}
	}
}

// What is known of a place.
const (
	unseen uint8 = iota
	seen
	stays
)

type weigher struct {
	width, height int
	least         float64 // places of a part
	logits        []float32
	state         []uint8
	places        []int // of the part in work
}

// part follows a part from one of its places, and marks it if it stays.
func (w *weigher) part(start int) {
	w.places = append(w.places[:0], start)
	w.state[start] = seen
	core := 0
	for k := 0; k < len(w.places); k++ {
		i := w.places[k]
		if w.logits[i] > sure {
			core++
		}
		x, y := i%w.width, i/w.width
		w.reach(x-1, y)
		w.reach(x+1, y)
		w.reach(x, y-1)
		w.reach(x, y+1)
	}
	n := float64(len(w.places))
	if n < w.least || float64(core) < leastCore*n {
		return
	}
	for _, i := range w.places {
		w.state[i] = stays
	}
}

func (w *weigher) reach(x, y int) {
	if x < 0 || y < 0 || x >= w.width || y >= w.height {
		return
	}
	if i := y*w.width + x; w.state[i] == unseen && w.logits[i] > 0 {
		w.state[i] = seen
		w.places = append(w.places, i)
	}
}
