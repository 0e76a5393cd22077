package localize

import (
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/picture"
)

// ExportPictures makes the pictures that exported files are compared on, of width x height pixels,
// always the same. One does not come from a JPEG file and has an area twice. The other is a JPEG
// file, of which an area lacks the earlier compression of the rest. So most detectors find
// something.
func ExportPictures(width, height int) ([]*picture.Picture, error) {
	second, err := inserted(width, height)
	if err != nil {
		return nil, err
	}
	return []*picture.Picture{picture.New(twins(width, height)), second}, nil
}

// twins is a soft random texture, part of which is in two places.
func twins(width, height int) *picture.RGB {
	const grain = 5 // pixels
	r := rand.New(rand.NewPCG(1, 1))
	w, h := max(width/grain, 1), max(height/grain, 1)
	grid := make([]float32, w*h)
	for i := range grid {
		grid[i] = float32(r.IntN(256))
	}
	soft := picture.ResizeFloat(grid, w, h, width, height)
	p := picture.NewRGB(width, height)
	for i := range p.Pix {
		p.Pix[i] = uint8(soft[i/3])
	}
	side := min(width, height) / 3
	from, to := [2]int{width / 10, height / 10}, [2]int{width - side - width/20, height - side - height/20}
	for y := range side {
		copy(p.Pix[((to[1]+y)*width+to[0])*3:][:3*side], p.Pix[((from[1]+y)*width+from[0])*3:][:3*side])
	}
	return p
}

// inserted is waves with noise that were saved as JPEG, with others put in, which were not, and
// saved as JPEG again.
func inserted(width, height int) (*picture.Picture, error) {
	const earlier, later = 70, 92 // qualities
	r := rand.New(rand.NewPCG(1, 2))
	saved, _, err := picture.ThroughJPEG(wavy(r, width, height), earlier)
	if err != nil {
		return nil, err
	}
	p, other := saved.RGB.Clone(), wavy(r, width, height)
	left, right := width*2/5, width*2/3
	for y := height * 3 / 8; y < height*2/3; y++ {
		copy(p.Pix[3*(y*width+left):][:3*(right-left)], other.Pix[3*(y*width+left):])
	}
	again, _, err := picture.ThroughJPEG(p, later)
	return again, err
}

func wavy(r *rand.Rand, width, height int) *picture.RGB {
	p := picture.NewRGB(width, height)
	a, b := 5+4*r.Float64(), 9+6*r.Float64() // pixels
	for i := range width * height {
		v := 125 + 30*math.Sin(float64(i%width)/a) + 30*math.Sin(float64(i/width)/b) + 6*r.NormFloat64()
		for k := range 3 {
			p.Pix[3*i+k] = uint8(min(max(v, 1), 254))
		}
	}
	return p
}
