package localize

import (
	"math"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/components"
)

// A network that judges a picture as a whole draws a manipulation as one region with a sure core.
// Where it is mistaken it leaves specks, or clouds that hardly reach the threshold anywhere. So
// regions above 0.5 are kept if they are large enough and enough of them is sure (two thresholds,
// as in Canny's edges, 1986). A region that is kept takes in the connected cells that nearly reach
// 0.5: its rim is less sure than its core. All else is lowered below 0.5.
//
// The limits were set on forged and untouched pictures and on photographs as they came from the
// camera.
const (
	sure      = 1.0 // logit above which a cell belongs to its region's core
	leastCore = 0.3 // share of a region that is core

	// A region has at least this share of the picture, within bounds in pixels.
	leastShare = 0.002
	leastArea  = 256
	mostArea   = 4096

	// Cells above this logit belong to a kept region if they are connected with it. Its logits are
	// raised as much as brings all of them above 0.
	rim = -1.0

	// Logits above -bend that are not kept continue from there with slope 1 and stay below 0.
	bend = 1.0
)

// keepSureRegions changes the probabilities of a map so that only regions with enough area and
// confidence, and what is connected with them, are above 0.5. Ranks are preserved within the kept
// cells and within the rest.
func keepSureRegions(m *picture.Map) {
	prob := m.Prob
	area := float64(m.CellSize() * m.CellSize())
	// The least number of cells of a region.
	least := min(max(leastShare*area*float64(len(prob)), leastArea), mostArea) / area
	logits := make([]float32, len(prob))
	for i, p := range prob {
		logits[i] = float32(numeric.Logit(float64(p), 1e-6))
	}
	isSure := sureCells(m.Width, m.Height, logits, least)
	keep := make([]bool, len(prob))
	inRegion := func(i int) bool { return isSure[i] }
	for region := range components.Of(m.Width, m.Height, components.Sides, inRegion, func(i int) bool { return logits[i] > rim }) {
		for _, i := range region {
			keep[i] = true
		}
	}
	for i, v := range logits {
		switch l := float64(v); {
		case keep[i]:
			prob[i] = float32(numeric.Sigmoid(l - rim))
		case l > -bend:
			prob[i] = float32(numeric.Sigmoid(-bend * math.Exp(-(l+bend)/bend)))
		}
	}
}

// sureCells marks the cells of the regions above 0 that are large and sure enough.
func sureCells(w, h int, logits []float32, least float64) []bool {
	out := make([]bool, len(logits))
	above := func(i int) bool { return logits[i] > 0 }
	for region := range components.Of(w, h, components.Sides, above, above) {
		core := 0
		for _, i := range region {
			if logits[i] > sure {
				core++
			}
		}
		if n := float64(len(region)); n < least || float64(core) < leastCore*n {
			continue
		}
		for _, i := range region {
			out[i] = true
		}
	}
	return out
}
