package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/forensics/evidence"
	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/picture"
)

// Shape gives the sizes of one training example: an image [3,Height,Width] and a target
// [1,TargetHeight,TargetWidth].
type Shape struct {
	Height, Width             int
	TargetHeight, TargetWidth int
	Coefficients              bool // with JPEG's coefficients [1,Height,Width] and steps [1,8,8]
	Evidence                  bool // with evidence [evidence.Channels,Height/8,Width/8]
}

func (s Shape) image() int  { return 3 * s.Height * s.Width }
func (s Shape) target() int { return s.TargetHeight * s.TargetWidth }

// coefficients and steps are 0 for examples without them.
func (s Shape) coefficients() int {
	if !s.Coefficients {
		return 0
	}
	return s.Height * s.Width
}

// evidence is 0 for examples without it.
func (s Shape) evidence() int {
	if !s.Evidence {
		return 0
	}
	return evidence.Channels * (s.Height / blockSide) * (s.Width / blockSide)
}

func (s Shape) steps() int {
	if !s.Coefficients {
		return 0
	}
	return blockSide * blockSide
}

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
	// For Shape.Coefficients; see picture.Coefficients.
	Coefficients []float32 // [1,H,W]
	Steps        []float32 // [1,8,8]
	Evidence     []float32 // for Shape.Evidence; see package evidence
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
	small := picture.Resize(s.Picture.RGB, m.Size, m.Size)
	mask := picture.ResizeGray(s.Mask, m.Target, m.Target)
	for _, d := range draws {
		augmented, err := apply(m.Augment, d.Random, picture.New(small))
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		m.Normalization.Planes(d.Image, augmented.RGB)
		boxAverage(d.Target, mask, 1)
	}
	return nil
}

// Crop cuts squares out of the picture at its own resolution. To keep the phase of JPEG traces,
// their origins are multiples of 8 in the stored pixels or, with Grid, in the picture's grid of
// JPEG blocks, and turns map 8 x 8 blocks onto 8 x 8 blocks.
type Crop struct {
	Size   int     // pixels, a multiple of 8 and of Stride
	Stride int     // pixels of the picture per cell of the target: Target side = Size/Stride
	Inside float64 // share of a manipulated picture's crops with a manipulated pixel
	Grid   bool    // origins are on the picture's grid of JPEG blocks, if jpeggrid finds one
	Turn   bool    // flips and quarter turns, all eight with the same probability
	// Target, if not 0, is the side of the target, to which the mask is resized with aligned corners;
	// Stride is not used then.
	Target int
	// Coefficients adds those of JPEG's blocks; see coefficients.go.
	Coefficients bool
	// Evidence adds the traces of compression that are measured in the whole picture. Augment must not
	// change pixels then.
	Evidence      bool
	Normalization picture.Normalization
	Augment       []Augment // applied to the crop, in order
}

// Shape implements Maker.
func (m Crop) Shape() Shape {
	side := m.Target
	if side == 0 {
		side = m.Size / m.Stride
	}
	return Shape{Height: m.Size, Width: m.Size, TargetHeight: side, TargetWidth: side, Coefficients: m.Coefficients,
		Evidence: m.Evidence}
}

// Validate reports the first value that Make cannot work with.
func (m Crop) Validate() error {
	if m.Size <= 0 || m.Size%8 != 0 {
		return fmt.Errorf("crop size %d: expected a positive multiple of 8", m.Size)
	}
	if m.Target == 0 && (m.Stride <= 0 || m.Size%m.Stride != 0) {
		return fmt.Errorf("crop size %d is not a multiple of the network's output stride %d", m.Size, m.Stride)
	}
	if m.Evidence && len(m.Augment) > 0 {
		return errors.New("evidence is measured in the whole picture: crops must not be augmented, but for turns")
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
		grid, _ = jpeggrid.Detect(s.Picture.RGB)
	}
	rgb := s.Picture.RGB
	var file *coded
	if m.Coefficients {
		var err error
		if file, err = decodeCoefficients(s.Picture); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rgb = file.rgb
	}
	var traces *evidence.Map
	if m.Evidence {
		var err error
		if traces, err = evidence.Find(context.Background(), s.Picture.RGB, grid); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	inside := indexMask(s.Mask)
	for _, d := range draws {
		x, y := m.origin(d.Random, s.Mask, inside, grid)
		turn := 0
		if m.Turn {
			turn = d.Random.IntN(8)
		}
		unchanged := picture.New(turnRGB(cutRGB(rgb, x, y, m.Size), turn))
		mask := turnGray(cutGray(s.Mask, x, y, m.Size), turn)
		crop, err := apply(m.Augment, d.Random, unchanged)
		if err == nil && m.Coefficients {
			crop, err = file.fill(d, place{x, y, m.Size, turn}, crop, crop == unchanged)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		m.Normalization.Planes(d.Image, crop.RGB)
		m.target(d.Target, mask)
		if m.Evidence {
			cut := make([]float32, m.Shape().evidence())
			traces.Cut(cut, x+traces.LeadX, y+traces.LeadY, m.Size, m.Size)
			copy(d.Evidence, evidence.Turn(cut, m.Size/blockSide, turn))
		}
		if m.Coefficients {
			file.clear(d, place{x, y, m.Size, turn}, m.Stride)
		}
	}
	return nil
}

// target turns the mask of a crop into its target.
func (m Crop) target(dst []float32, mask *picture.Gray) {
	if m.Target == 0 {
		boxAverage(dst, mask, m.Stride)
		return
	}
	alignCorners(dst, mask, m.Target)
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

// alignCorners resizes a square mask, divided by 255, to side x side samples, of which those in the
// corners are the mask's: the inverse of how PSCC-Net's map is brought to a picture's size.
func alignCorners(dst []float32, mask *picture.Gray, side int) {
	step := float64(mask.Width-1) / float64(max(side-1, 1))
	for y := range side {
		top, down := math.Modf(float64(y) * step)
		for x := range side {
			left, right := math.Modf(float64(x) * step)
			at := func(dy, dx int) float64 {
				row, column := min(int(top)+dy, mask.Height-1), min(int(left)+dx, mask.Width-1)
				return float64(mask.Pix[row*mask.Width+column])
			}
			upper := (1-right)*at(0, 0) + right*at(0, 1)
			lower := (1-right)*at(1, 0) + right*at(1, 1)
			dst[y*side+x] = float32(((1-down)*upper + down*lower) / 255)
		}
	}
}
