package picture

import (
	"context"
	"runtime"

	"github.com/declip/declip/internal/parallel"
)

// Upsample enlarges the map to the picture that it covers, of width x height pixels, bilinearly
// with pixel centres aligned (align_corners=false): pixel x reads at (x+LeadX+0.5)/Stride - 0.5
// cells, clamped to the map. The result is [height, width].
func (m *Map) Upsample(width, height int) []float32 {
	out, _ := m.UpsampleContext(context.Background(), width, height) // this context does not end
	return out
}

// UpsampleContext is Upsample, but stops with the error of ctx soon after ctx has ended: it looks
// at ctx before every row.
func (m *Map) UpsampleContext(ctx context.Context, width, height int) ([]float32, error) {
	look := watching(ctx)
	dst := make([]float32, width*height)
	columns := cellTaps(width, m.Width, m.CellSize(), m.LeadX)
	rows := cellTaps(height, m.Height, m.CellSize(), m.LeadY)
	workers := min(height, runtime.GOMAXPROCS(0))
	parallel.Each(workers, workers, func(k int) {
		line := make([]float32, m.Width)
		for y := k * height / workers; y < (k+1)*height/workers && !look.ended(); y++ {
			t := rows[y]
			near, far := m.Prob[t.near*m.Width:][:m.Width], m.Prob[t.far*m.Width:][:m.Width]
			for x, a := range near {
				line[x] = a + t.part*(far[x]-a)
			}
			out := dst[y*width:][:width]
			for x, t := range columns {
				a := line[t.near]
				out[x] = a + t.part*(line[t.far]-a)
			}
		}
	})
	return unlessEnded(look, dst)
}

// cellTap says where an output value comes from: part of the way from near to far.
type cellTap struct {
	near, far int
	part      float32
}

func cellTaps(out, in, stride, lead int) []cellTap {
	taps := make([]cellTap, out)
	for i := range taps {
		s := max(0, (float64(i+lead)+.5)/float64(stride)-.5)
		near := min(int(s), in-1)
		taps[i] = cellTap{near, min(near+1, in-1), float32(s - float64(near))}
	}
	return taps
}
