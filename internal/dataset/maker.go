package dataset

import (
	"fmt"
	"math/rand/v2"

	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/picture"
)

// Shape gives the sizes of one training example: an image [3,Height,Width] and a target
// [1,TargetHeight,TargetWidth].
type Shape struct {
	Height, Width             int
	TargetHeight, TargetWidth int
}

func (s Shape) image() int  { return 3 * s.Height * s.Width }
func (s Shape) target() int { return s.TargetHeight * s.TargetWidth }

// Maker turns samples into training examples.
type Maker interface {
	Shape() Shape
	// Make fills one example for each draw, all from the same sample. It does not change the
	// sample.
	Make(s Sample, draws []Draw) error
}

// Draw is one example to be made: the source of its random choices, and where its values go.
type Draw struct {
	Random *rand.Rand
	Image  []float32 // [3,H,W], normalised
	Target []float32 // [1,h,w], share of each cell that was manipulated, in [0,1]
}

// Resize is the published way: the whole picture is resized to Size x Size with Pillow's bilinear
// filter, and the mask to Target x Target, which makes the target soft. Neither keeps the aspect
// ratio.
type Resize struct {
	Size, Target  int // pixels; 224 and 256 in the published method
	Normalization picture.Normalization
	Augment       []Augment // applied after the resize, in order
}

// Shape implements Maker.
func (m Resize) Shape() Shape {
	return Shape{Height: m.Size, Width: m.Size, TargetHeight: m.Target, TargetWidth: m.Target}
}

// Make implements Maker.
func (m Resize) Make(s Sample, draws []Draw) error {
	small := picture.Resize(s.Picture, m.Size, m.Size)
	mask := picture.ResizeGray(s.Mask, m.Target, m.Target)
	for _, d := range draws {
		augmented, err := apply(m.Augment, d.Random, small)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		m.Normalization.Planes(d.Image, augmented)
		boxAverage(d.Target, mask, 1)
	}
	return nil
}

// Crop cuts squares out of the picture at its own resolution. To keep the phase of JPEG traces,
// their origins are multiples of 8 in the stored pixels or, with Grid, in the picture's grid of
// JPEG blocks, and turns map 8 x 8 blocks onto 8 x 8 blocks.
type Crop struct {
	Size          int     // pixels, a multiple of 8 and of Stride
	Stride        int     // pixels of the picture per cell of the target: Target side = Size/Stride
	Inside        float64 // share of a manipulated picture's crops with a manipulated pixel
	Grid          bool    // origins are on the picture's grid of JPEG blocks, if jpeggrid finds one
	Turn          bool    // flips and quarter turns, all eight with the same probability
	Normalization picture.Normalization
	Augment       []Augment // applied to the crop, in order
}

// Shape implements Maker.
func (m Crop) Shape() Shape {
	return Shape{Height: m.Size, Width: m.Size, TargetHeight: m.Size / m.Stride, TargetWidth: m.Size / m.Stride}
}

// Validate reports the first value that Make cannot work with.
func (m Crop) Validate() error {
	if m.Size <= 0 || m.Size%8 != 0 {
		return fmt.Errorf("crop size %d: expected a positive multiple of 8", m.Size)
	}
	if m.Stride <= 0 || m.Size%m.Stride != 0 {
		return fmt.Errorf("crop size %d is not a multiple of the network's output stride %d", m.Size, m.Stride)
	}
	if m.Inside < 0 || m.Inside > 1 {
		return fmt.Errorf("share of crops inside the mask %g: expected 0 to 1", m.Inside)
	}
	return nil
}

// Make implements Maker.
func (m Crop) Make(s Sample, draws []Draw) error {
	if err := m.Validate(); err != nil {
		return err
	}
	var grid jpeggrid.Grid
	if m.Grid {
		grid, _ = jpeggrid.Detect(s.Picture)
	}
	inside := indexMask(s.Mask)
	for _, d := range draws {
		x, y := m.origin(d.Random, s.Mask, inside, grid)
		turn := 0
		if m.Turn {
			turn = d.Random.IntN(8)
		}
		crop := turnRGB(cutRGB(s.Picture, x, y, m.Size), turn)
		mask := turnGray(cutGray(s.Mask, x, y, m.Size), turn)
		crop, err := apply(m.Augment, d.Random, crop)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		m.Normalization.Planes(d.Image, crop)
		boxAverage(d.Target, mask, m.Stride)
	}
	return nil
}

// origin draws the upper left corner of a crop: anywhere or, for the share Inside, so that the crop
// contains a manipulated pixel, which is drawn first.
func (m Crop) origin(r *rand.Rand, mask *picture.Gray, inside maskIndex, grid jpeggrid.Grid) (x, y int) {
	if inside.total == 0 || r.Float64() >= m.Inside {
		return gridPoint(r, 0, mask.Width-m.Size, grid.X), gridPoint(r, 0, mask.Height-m.Size, grid.Y)
	}
	px, py := inside.pick(mask, r.IntN(inside.total))
	x = gridPoint(r, px-m.Size+1, min(px, mask.Width-m.Size), grid.X)
	y = gridPoint(r, py-m.Size+1, min(py, mask.Height-m.Size), grid.Y)
	return x, y
}

// gridPoint draws one of the points phase, phase+8, ... in [low, high]. If there is none it is the
// last one before high, or phase if that would be outside the picture.
func gridPoint(r *rand.Rand, low, high, phase int) int {
	first := (max(low-phase, 0) + 7) / 8
	last := max(high-phase, 0) / 8
	if last <= first {
		return phase + 8*last
	}
	return phase + 8*(first+r.IntN(last-first+1))
}

// maskIndex counts the manipulated pixels (> 127) above each row, so that one can be drawn evenly.
type maskIndex struct {
	above []int // pixels in rows before y
	total int
}

func indexMask(mask *picture.Gray) maskIndex {
	index := maskIndex{above: make([]int, mask.Height)}
	for y := range mask.Height {
		index.above[y] = index.total
		for _, v := range mask.Pix[y*mask.Width : (y+1)*mask.Width] {
			index.total += int(v >> 7)
		}
	}
	return index
}

// pick gives the n-th manipulated pixel in reading order, n in [0, total).
func (index maskIndex) pick(mask *picture.Gray, n int) (x, y int) {
	low, high := 0, mask.Height // the last row whose count above is <= n
	for high-low > 1 {
		if mid := (low + high) / 2; index.above[mid] <= n {
			low = mid
		} else {
			high = mid
		}
	}
	n -= index.above[low]
	for x, v := range mask.Pix[low*mask.Width : (low+1)*mask.Width] {
		if v > 127 {
			if n == 0 {
				return x, low
			}
			n--
		}
	}
	return 0, low
}

// boxAverage writes the mean of each cell of side x side pixels, divided by 255, into dst.
func boxAverage(dst []float32, mask *picture.Gray, side int) {
	w, h := mask.Width/side, mask.Height/side
	scale := 1 / float32(255*side*side)
	for y := range h {
		for x := range w {
			sum := 0
			for dy := range side {
				row := (y*side+dy)*mask.Width + x*side
				for _, v := range mask.Pix[row : row+side] {
					sum += int(v)
				}
			}
			dst[y*w+x] = float32(sum) * scale
		}
	}
}
