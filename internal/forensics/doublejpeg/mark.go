package doublejpeg

import (
	"math"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/components"
)

const (
	least   = 0.7  // nats above which a block belongs to a region
	worth   = 5.0  // logits of a map per nat above that
	most    = 14.0 // largest number of logits that are added
	covered = 0.4  // share of a region above 0.5 at which the map marks it already
)

// Evidence is what Find found in a picture, for each grid of blocks.
type Evidence []Grid

// Mark raises the probabilities of a map of the picture in the areas that lack the picture's
// earlier compression. An area of which the map marks enough already stays as it is.
func (e Evidence) Mark(m *picture.Map) {
	prob := m.Prob
	add := make([]float32, len(prob))
	for _, grid := range e {
		logits, some := grid.over(m)
		if !some {
			continue
		}
		above := func(i int) bool { return logits[i] > 0 }
		for region := range components.Of(m.Width, m.Height, components.Sides, above, above) {
			known := 0
			for _, i := range region {
				if prob[i] > 0.5 {
					known++
				}
			}
			if float64(known) > covered*float64(len(region)) {
				continue
			}
			for _, i := range region {
				add[i] = max(add[i], logits[i])
			}
		}
	}
	for i, v := range add {
		if v > 0 {
			p := min(max(float64(prob[i]), 1e-30), 1-1e-7)
			prob[i] = float32(1 / (1 + (1-p)/p*math.Exp(-float64(v))))
		}
	}
}

// over is what the grid adds to the logits of m's cells, bilinear between blocks; some is false
// where that is nothing.
func (g Grid) over(m *picture.Map) (out []float32, some bool) {
	for _, v := range g.Logit {
		some = some || v > least
	}
	if !some {
		return nil, false
	}
	out = make([]float32, m.Width*m.Height)
	block := func(cell, origin int) (int, float32) {
		at := ((float64(cell)+0.5)*float64(m.CellSize())-float64(origin))/8 - 0.5
		return int(math.Floor(at)), float32(at - math.Floor(at))
	}
	at := func(x, y int) float32 {
		return g.Logit[min(max(y, 0), g.Height-1)*g.Width+min(max(x, 0), g.Width-1)]
	}
	for y := range m.Height {
		by, fy := block(y, g.Y+m.LeadY)
		for x := range m.Width {
			bx, fx := block(x, g.X+m.LeadX)
			v := (1-fy)*((1-fx)*at(bx, by)+fx*at(bx+1, by)) + fy*((1-fx)*at(bx, by+1)+fx*at(bx+1, by+1))
			out[y*m.Width+x] = min(max(worth*(v-least), 0), most)
		}
	}
	return out, true
}
