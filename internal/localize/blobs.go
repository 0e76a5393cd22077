// Package localize decides which connected parts of a network's map stand for manipulations.
//
// A network that judges a picture as a whole draws a manipulation as one part with a sure core. Where it is mistaken it
// leaves specks, or clouds that hardly reach the threshold anywhere. So parts above 0.5 stay where they are large enough
// and enough of them is sure (two thresholds, as in Canny's edges, 1986), and all else is brought below 0.5.
package localize

import (
	"math"

	"github.com/declip/declip/internal/picture/components"
)

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
	area := float64(stride * stride)
	least := min(max(leastShare*area*float64(len(prob)), leastArea), mostArea) / area // places of a part
	logits := make([]float32, len(prob))
	for i, p := range prob {
		v := min(max(float64(p), 1e-6), 1-1e-6)
		logits[i] = float32(math.Log(v / (1 - v)))
	}
	stays := make([]bool, len(prob))
	above := func(i int) bool { return logits[i] > 0 }
	for part := range components.Of(width, height, above, above) {
		core := 0
		for _, i := range part {
			if logits[i] > sure {
				core++
			}
		}
		n := float64(len(part))
		if n < least || float64(core) < leastCore*n {
			continue
		}
		for _, i := range part {
			stays[i] = true
		}
	}
	for i, v := range logits {
		if l := float64(v); !stays[i] && l > -bend {
			l = -bend * math.Exp(-(l+bend)/bend)
			prob[i] = float32(1 / (1 + math.Exp(-l)))
		}
	}
}
