package tiff

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/picture/raster"
)

// Header is what a file says about its picture before any pixel is decoded.
type Header struct {
	Width, Height int
	Orientation   int // EXIF orientation, 1 to 8
	// Warnings says why another picture than the file's first was chosen, and the like.
	Warnings raster.Warnings
}

// ReadHeader reads the directory of the picture that Decode decodes.
func ReadHeader(data []byte) (Header, error) {
	d, warnings, err := choose(data)
	if err != nil {
		return Header{}, err
	}
	h := Header{Orientation: 1, Warnings: warnings}
	if h.Width, h.Height, err = d.dimensions(); err != nil {
		return Header{}, err
	}
	if v, err := d.uint(tagOrientation, 1); err == nil && v >= 1 && v <= 8 {
		h.Orientation = int(v)
	}
	return h, nil
}

// dimensions reads the size in pixels.
func (d *directory) dimensions() (width, height int, err error) {
	w, err := d.uint(tagWidth, 0)
	if err != nil {
		return 0, 0, err
	}
	h, err := d.uint(tagHeight, 0)
	if err != nil {
		return 0, 0, err
	}
	if w < 1 || h < 1 || w > math.MaxInt32 || h > math.MaxInt32 {
		return 0, 0, fmt.Errorf("a size of %d x %d pixels", w, h)
	}
	return int(w), int(h), nil
}

// Sample formats.
const (
	formatUint, formatInt, formatFloat, formatUndefined = 1, 2, 3, 4
)

// maxSamples is the largest number of samples of a pixel.
const maxSamples = 64

// layout is how a picture is stored.
type layout struct {
	*directory
	width, height       int
	bits, format        int
	samples             int // of a pixel, with alpha and others that are dropped
	colours             int // of the samples, those that make the colour
	premultiplied       bool
	photometric         int
	compression         int
	predictor           int
	reversed, separate  bool // bits of each byte; planes
	tiled               bool
	partWidth           int // size of a tile or strip
	partHeight          int
	across, down        int // tiles, or 1 and strips
	offsets, counts     []uint64
	subsampleX          int // YCbCr
	subsampleY          int
	palette             [256][3]uint8
	channels            int      // of the result: 1 or 3
	sorted              []uint64 // offsets, for strips without lengths
	charged             int      // bytes of strips that were read
	watch               *raster.Watch
	idle                []*zstd.Decoder
	weights, references []float64
}

func newLayout(d *directory) (*layout, error) {
	l := &layout{directory: d, subsampleX: 1, subsampleY: 1}
	var err error
	if l.width, l.height, err = d.dimensions(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{l.readNumbers, l.readSamples, l.readColour, l.readParts} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// number is a tag with one small number.
type number struct {
	to       *int
	tag      uint16
	fallback uint64
}

// readNumbers reads the tags with one number.
func (l *layout) readNumbers() error {
	var order, planar int
	for _, n := range []number{
		{&l.samples, tagSamples, 1}, {&l.compression, tagCompression, compressionNone},
		{&l.predictor, tagPredictor, 1}, {&order, tagFillOrder, 1}, {&planar, tagPlanar, 1},
		{&l.photometric, tagPhotometric, math.MaxUint16},
	} {
		v, err := l.uint(n.tag, n.fallback)
		if err != nil {
			return err
		}
		*n.to = int(min(v, math.MaxInt32))
	}
	l.reversed, l.separate = order == 2, planar == 2 && l.samples > 1
	if l.samples < 1 || l.samples > maxSamples {
		return fmt.Errorf("%d samples a pixel, 1 to %d are read", l.samples, maxSamples)
	}
	if l.photometric == math.MaxUint16 { // not allowed, and seen
		l.photometric = blackIsZero
		if l.samples >= 3 {
			l.photometric = colourRGB
		}
	}
	return nil
}

// readSamples reads what the samples are.
func (l *layout) readSamples() error {
	bits, err := l.uints(tagBits, maxSamples)
	if err != nil {
		return err
	}
	l.bits = 1
	if len(bits) > 0 {
		l.bits = int(min(bits[0], 1000))
	}
	for _, b := range bits[:min(len(bits), l.samples)] {
		if int(b) != l.bits {
			return fmt.Errorf("samples of different sizes (%d bits)", bits)
		}
	}
	format, err := l.uint(tagSampleFormat, formatUint)
	if err != nil {
		return err
	}
	l.format = int(format)
	switch format {
	case formatUint, formatUndefined:
		if l.bits < 1 || l.bits > 16 && l.bits != 32 {
			return fmt.Errorf("samples of %d bits, 1 to 16 and 32 are read", l.bits)
		}
	case formatFloat:
		if l.bits != 16 && l.bits != 32 && l.bits != 64 {
			return fmt.Errorf("floating-point samples of %d bits, 16, 32 and 64 are read", l.bits)
		}
	case formatInt:
		if l.bits != 16 || l.photometric != colourLab {
			return errors.New("signed samples are not supported")
		}
	default:
		return errors.New("complex samples are not supported")
	}
	return nil
}

// readColour reads what the samples of a pixel mean.
func (l *layout) readColour() error {
	l.channels = 3
	switch l.photometric {
	case whiteIsZero, blackIsZero, colourMask:
		l.colours, l.channels = 1, 1
	case colourRGB, colourYCbCr, colourLab, colourICCLab:
		l.colours = 3
	case colourPalette:
		l.colours = 1
	case colourInk:
		l.colours = 4
		if set, err := l.uint(tagInkSet, 1); err != nil || set != 1 {
			return errors.New("inks other than cyan, magenta, yellow and black are not supported")
		}
	case 10:
		return errors.New("ITU L*a*b* colours are not supported")
	case 32844, 32845:
		return errors.New("LogLuv colours are not supported")
	default:
		return fmt.Errorf("photometric interpretation %d is not supported", l.photometric)
	}
	if l.samples < l.colours {
		return fmt.Errorf("%d samples a pixel, its kind of colour (%d) takes %d", l.samples, l.photometric, l.colours)
	}
	extra, err := l.uints(tagExtraSamples, maxSamples)
	if err != nil {
		return err
	}
	l.premultiplied = len(extra) > 0 && extra[0] == 1 && l.samples > l.colours && l.format != formatFloat &&
		slices.Contains([]int{whiteIsZero, blackIsZero, colourRGB}, l.photometric)
	return l.readColourDetails()
}

func (l *layout) readColourDetails() error {
	if l.format == formatFloat && l.photometric != blackIsZero && l.photometric != colourRGB {
		return errors.New("floating-point samples are supported for grey and RGB only")
	}
	switch l.photometric {
	case colourPalette:
		return l.readPalette()
	case colourYCbCr:
		return l.readYCbCr()
	case colourLab, colourICCLab:
		if l.bits != 8 && l.bits != 16 {
			return fmt.Errorf("colours of kind L*a*b* of %d bits, 8 and 16 are read", l.bits)
		}
	}
	return nil
}

// readPalette keeps the high bytes of the colours, or the low ones where no colour has a high byte.
func (l *layout) readPalette() error {
	if l.bits > 8 {
		return fmt.Errorf("palette indices of %d bits, 1 to 8 are read", l.bits)
	}
	colours, err := l.uints(tagPalette, 3<<8)
	if err != nil {
		return err
	}
	n := 1 << l.bits
	if len(colours) < 3*n {
		return fmt.Errorf("palette of %d numbers, expected %d", len(colours), 3*n)
	}
	shift := 8
	if slices.Max(colours[:3*n]) < 256 {
		shift = 0
	}
	for i := range n {
		for c := range 3 {
			l.palette[i][c] = uint8(colours[c*n+i] >> shift)
		}
	}
	return nil
}

func (l *layout) readYCbCr() error {
	l.weights = l.rationals(tagYCbCrWeights, 0.299, 0.587, 0.114)
	l.references = l.rationals(tagReferenceBlacks, 0, 255, 128, 255, 128, 255)
	if l.compression == compressionJPEG || l.compression == compressionOldJPEG {
		return nil // the JPEG stream has its own sampling
	}
	if l.bits != 8 || l.samples != 3 || l.separate {
		return errors.New("YCbCr colours are supported with 8 bits, three samples a pixel and one plane only")
	}
	sampling, err := l.uints(tagYCbCrSampling, 2)
	if err != nil {
		return err
	}
	l.subsampleX, l.subsampleY = 2, 2
	if len(sampling) >= 2 {
		l.subsampleX, l.subsampleY = int(min(sampling[0], 9)), int(min(sampling[1], 9))
	}
	valid := []int{1, 2, 4}
	if !slices.Contains(valid, l.subsampleX) || !slices.Contains(valid, l.subsampleY) {
		return fmt.Errorf("YCbCr subsampling of %d", sampling)
	}
	return nil
}

// readParts reads where the strips or tiles are.
func (l *layout) readParts() error {
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripCounts)
	l.partWidth = l.width
	rows, err := l.uint(tagRowsPerStrip, math.MaxInt32)
	if err != nil {
		return err
	}
	l.partHeight = int(min(max(rows, 1), uint64(l.height)))
	if l.entries[tagTileWidth].count > 0 {
		l.tiled = true
		offsets, counts = tagTileOffsets, tagTileCounts
		if l.entries[offsets].count == 0 { // libtiff reads these as well
			offsets, counts = tagStripOffsets, tagStripCounts
		}
		w, _ := l.uint(tagTileWidth, 0)
		h, err := l.uint(tagTileHeight, 0)
		if err != nil || w < 1 || h < 1 || w > 1<<16 || h > 1<<16 {
			return fmt.Errorf("tiles of %d x %d pixels", w, h)
		}
		l.partWidth, l.partHeight = int(w), int(h)
	}
	l.across, l.down = (l.width+l.partWidth-1)/l.partWidth, (l.height+l.partHeight-1)/l.partHeight
	want := l.across * l.down
	if l.separate {
		want *= l.samples
	}
	if l.offsets, err = l.uints(offsets, want); err != nil {
		return err
	}
	if l.counts, err = l.uints(counts, want); err != nil {
		return err
	}
	if l.compression == compressionOldJPEG {
		return nil // the stream has its own tags
	}
	if len(l.offsets) < want {
		return fmt.Errorf("%d strips or tiles, the size takes %d", len(l.offsets), want)
	}
	return nil
}
