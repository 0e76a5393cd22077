package jp2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/sandbox"
)

// Colour spaces: OpenJPEG's numbers, and those of a file's header.
const (
	spaceGrey, spaceYCC, spaceExtendedYCC, spaceCMYK = 2, 3, 4, 5

	headerCMY, headerLab, headerExtendedYCC = 11, 14, 24
)

// checkColours refuses colour spaces that are not converted.
func (h header) checkColours() error {
	names := map[int]string{headerCMY: "CMY", headerLab: "CIELab", headerExtendedYCC: "e-sYCC"}
	if name := names[h.colours]; name != "" {
		return fmt.Errorf("colours in %s are not read", name)
	}
	return nil
}

// component is a plane of samples in the decoder's memory, as numbers of 32 bits.
type component struct {
	dx, dy        int // distance of samples in pixels
	x0, y0        int // position of the first sample, in samples
	width, height int
	bits          int
	signed        bool
	alpha         bool
	data          uint32
}

// answer is what the decoder says (struct answer in scripts/jp2/decode.c).
type answer struct {
	x0, y0, x1, y1   int
	colours          int
	count            int
	components       []component
	errors, warnings []string
}

func (a *answer) width() int  { return a.x1 - a.x0 }
func (a *answer) height() int { return a.y1 - a.y0 }

// Sizes of the decoder's structures, in numbers of 32 bits.
const (
	answerFields, componentFields = 8, 10
	maxComponents                 = 16
)

func readAnswer(run *sandbox.Run) (*answer, error) {
	at, err := run.Call("answer")
	if err != nil {
		return nil, err
	}
	v, err := run.Numbers(uint64(at), answerFields+maxComponents*componentFields)
	if err != nil {
		return nil, err
	}
	a := &answer{x0: int(v[0]), y0: int(v[1]), x1: int(v[2]), y1: int(v[3]), colours: int(int32(v[4])), count: int(v[5])}
	if a.errors, err = lines(run, v[6]); err != nil {
		return nil, err
	}
	if a.warnings, err = lines(run, v[7]); err != nil {
		return nil, err
	}
	for i := range min(a.count, maxComponents) {
		c := v[answerFields+i*componentFields:]
		a.components = append(a.components, component{
			dx: int(c[0]), dy: int(c[1]), x0: int(c[2]), y0: int(c[3]), width: int(c[4]), height: int(c[5]),
			bits: int(c[6]), signed: c[7] != 0, alpha: c[8] != 0, data: c[9],
		})
	}
	return a, nil
}

// Kinds of colours that are converted, and the number of components of each.
const (
	grey = iota
	rgb
	ycc
	cmyk
)

var channels = [...]int{grey: 1, rgb: 3, ycc: 3, cmyk: 4}

// kind decides by the colour space; a file that names none, or describes it by a profile, is grey
// with up to two components, and RGB with more. Three components of which the second has fewer
// samples than the first are luma and chroma, as other programs assume.
func (a *answer) kind(colour []component) int {
	subsampled := len(colour) == 3 && colour[0].dx == 1 && colour[0].dy == 1 && (colour[1].dx > 1 || colour[1].dy > 1)
	switch {
	case len(colour) < 3 || a.colours == spaceGrey:
		return grey
	case a.colours == spaceCMYK && len(colour) > 3:
		return cmyk
	case a.colours == spaceYCC || subsampled:
		return ycc
	}
	return rgb
}

// picture converts the planes.
func (a *answer) picture(watch *raster.Watch, run *sandbox.Run, h header) (*raster.Image, error) {
	if a.width() != h.width || a.height() != h.height {
		return nil, fmt.Errorf("the header says %d x %d pixels, the data %d x %d", h.width, h.height, a.width(), a.height())
	}
	var colour []component
	for _, c := range a.components {
		if !c.alpha {
			colour = append(colour, c)
		}
	}
	if len(colour) == 0 {
		return nil, errors.New("a picture without colours")
	}
	if a.colours == spaceExtendedYCC {
		return nil, header{colours: headerExtendedYCC}.checkColours()
	}
	kind := a.kind(colour)
	planes := make([][]byte, channels[kind])
	for i := range planes {
		var err error
		if planes[i], err = colour[i].read(run); err != nil {
			return nil, err
		}
	}
	m := raster.New(h.width, h.height, min(channels[kind], 3))
	a.warn(m, len(colour), channels[kind])
	rows := make([][]uint8, len(planes))
	for i := range rows {
		rows[i] = make([]uint8, h.width)
	}
	for y := range h.height {
		if err := watch.Spend(4 * len(rows) * h.width); err != nil {
			return nil, err
		}
		for i := range rows {
			colour[i].row(rows[i], planes[i], a.x0, a.y0+y)
		}
		join(m.Row(y), rows, kind)
	}
	return m, nil
}

// harmless are warnings of OpenJPEG that concern no pixel.
var harmless = []string{"JP2 box which are after the codestream", "Despite JP2 BPC", "A BPCC header box is available", "Unknown marker"}

// warn reports what the decoder passed over. used components of colours are read.
func (a *answer) warn(m *raster.Image, colours, used int) {
next:
	for _, text := range a.warnings {
		for _, h := range harmless {
			if strings.Contains(text, h) {
				continue next
			}
		}
		m.Warn("the decoder says: %s", text)
	}
	if alphas := len(a.components) - colours; used+1 < colours || used+1 == colours && alphas > 0 {
		m.Warn("the picture has %d components of colour; %d are used", colours, used)
	}
}

// read is the memory of a plane.
func (c *component) read(run *sandbox.Run) ([]byte, error) {
	const maxBits = 31 // of a sample that OpenJPEG decodes
	if c.width < 1 || c.height < 1 || c.dx < 1 || c.dy < 1 || c.bits < 1 || c.bits > maxBits || c.data == 0 {
		return nil, errors.New("a component without samples")
	}
	return run.Bytes(uint64(c.data), 4*c.width*c.height)
}

// row fills a row with the plane's samples for pixels (x0, y), (x0+1, y) and so on of the reference
// grid, scaled to 8 bits. Where there are fewer samples than pixels, the sample to the left above
// is repeated.
func (c *component) row(out []uint8, plane []byte, x0, y int) {
	samples := plane[4*c.width*min(max(y/c.dy-c.y0, 0), c.height-1):]
	for x := range out {
		at := min(max((x0+x)/c.dx-c.x0, 0), c.width-1)
		out[x] = c.scale(int32(binary.LittleEndian.Uint32(samples[4*at:])))
	}
}

// scale maps the range of samples to 0 to 255, rounded.
func (c *component) scale(sample int32) uint8 {
	v, top := int64(sample), int64(1)<<c.bits-1
	if c.signed {
		v += (top + 1) / 2
	}
	v = min(max(v, 0), top)
	return uint8((v*255 + top/2) / top)
}

// join makes a row of pixels of rows of samples.
func join(out []uint8, rows [][]uint8, kind int) {
	switch kind {
	case grey:
		copy(out, rows[0])
	case rgb:
		for x := range rows[0] {
			out[3*x], out[3*x+1], out[3*x+2] = rows[0][x], rows[1][x], rows[2][x]
		}
	case ycc:
		for x := range rows[0] {
			fromYCC(out[3*x:3*x+3], rows[0][x], rows[1][x], rows[2][x])
		}
	case cmyk:
		for x := range rows[0] {
			raster.FromInk(out[3*x:3*x+3], []uint8{rows[0][x], rows[1][x], rows[2][x], rows[3][x]})
		}
	}
}

// fromYCC converts by ITU-R BT.601 with the full range, as JPEG does.
func fromYCC(out []uint8, y, cb, cr uint8) {
	const half = 1 << 15
	l, u, v := int32(y), int32(cb)-128, int32(cr)-128
	clamp := func(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
	out[0] = clamp(l + (91881*v+half)>>16)
	out[1] = clamp(l + (-22554*u-46802*v+half)>>16)
	out[2] = clamp(l + (116130*u+half)>>16)
}
