package doublejpeg

import (
	"math"

	"github.com/declip/declip/internal/picture/components"
)

const (
	least   = 0.7  // nats above which a block belongs to a part
	worth   = 5.0  // logits of a map for each nat above
	most    = 14.0 // logits that are added at most
	covered = 0.4  // of a part: so much above 0.5 says that the map knows it, and more exactly than blocks do
)

// Cells say where the probabilities of a map lie: [Height, Width], each of Stride x Stride pixels, the first LeadX and LeadY pixels
// left of and above the picture's corner.
type Cells struct{ Width, Height, Stride, LeadX, LeadY int }

// Mark raises the probabilities of a map of the picture where maps say that something was put in. Connected parts that the
// probabilities show already stay as they are.
func Mark(prob []float32, cells Cells, maps []Map) {
	add := make([]float32, len(prob))
	for _, m := range maps {
		evidence, some := m.enlarged(cells)
		if !some {
			continue
		}
		speaks := func(i int) bool { return evidence[i] > 0 }
		for part := range components.Of(cells.Width, cells.Height, speaks, speaks) {
			known := 0
			for _, i := range part {
				if prob[i] > 0.5 {
					known++
				}
			}
			if float64(known) > covered*float64(len(part)) {
				continue
			}
			for _, i := range part {
				add[i] = max(add[i], evidence[i])
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

// enlarged is what the map adds to the logits of a finer one, bilinear between blocks; some is false where that is nothing.
func (m Map) enlarged(cells Cells) (out []float32, some bool) {
	for _, v := range m.Logit {
		some = some || v > least
	}
	if !some {
		return nil, false
	}
	out = make([]float32, cells.Width*cells.Height)
	block := func(cell, origin int) (int, float32) {
		at := ((float64(cell)+0.5)*float64(cells.Stride)-float64(origin))/8 - 0.5
		return int(math.Floor(at)), float32(at - math.Floor(at))
	}
	at := func(x, y int) float32 {
		return m.Logit[min(max(y, 0), m.Height-1)*m.Width+min(max(x, 0), m.Width-1)]
	}
	for y := range cells.Height {
		by, fy := block(y, m.Y+cells.LeadY)
		for x := range cells.Width {
			bx, fx := block(x, m.X+cells.LeadX)
			v := (1-fy)*((1-fx)*at(bx, by)+fx*at(bx+1, by)) + fy*((1-fx)*at(bx, by+1)+fx*at(bx+1, by+1))
			out[y*cells.Width+x] = min(max(worth*(v-least), 0), most)
		}
	}
	return out, true
}
