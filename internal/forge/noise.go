package forge

import (
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// grain estimates the standard deviation, in levels, of the fine noise around a mask. It is the
// median absolute deviation of pixels from the mean of their four neighbours, within a rim of rim
// pixels.
func grain(p *picture.RGB, m *picture.Gray, rim int) float64 {
	wide := m.Clone()
	grow(wide, rim)
	w := p.Width
	var residual []float64
	for y := 1; y < p.Height-1; y++ {
		for x := 1; x < w-1; x++ {
			i := y*w + x
			if wide.Pix[i] == 0 || m.Pix[i] != 0 {
				continue
			}
			g := func(j int) float64 { return float64(p.Pix[j*3+1]) }
			residual = append(residual, math.Abs(g(i)-(g(i-1)+g(i+1)+g(i-w)+g(i+w))/4))
		}
	}
	if len(residual) < 16 {
		return 0
	}
	slices.Sort(residual)
	// 1.4826 converts the median of |x| to a standard deviation. The residual's variance is 1 +
	// 4/16 of the noise's.
	return 1.4826 * residual[len(residual)/2] / math.Sqrt(1.25)
}
