package tiff

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/declip/declip/internal/picture/raster"
)

// JPEG decodes a JPEG stream of the given width and of at most the given height in pixels. It
// converts YCbCr colours to RGB if ycc is true and leaves samples as they are if not, regardless
// of what the stream says.
type JPEG func(ctx context.Context, stream []byte, width, height int, ycc bool) (*raster.Image, error)

// Decode decodes the first full picture of a file to grey or RGB. It stops with the error of ctx
// within milliseconds after ctx has ended. A file that ends too early is io.ErrUnexpectedEOF
// (wrapped), one of a camera's sensor ErrCameraRaw.
func Decode(ctx context.Context, data []byte, decodeJPEG JPEG) (*raster.Image, error) {
	d, warnings, err := choose(data)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(d)
	if err != nil {
		return nil, err
	}
	defer l.close()
	l.watch = raster.NewWatch(ctx)
	p := &painter{layout: l, ctx: ctx, jpeg: decodeJPEG, image: raster.New(l.width, l.height, l.channels)}
	p.image.Warnings = warnings
	if l.compression == compressionOldJPEG {
		return p.oldJPEG()
	}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	for i := range l.across * l.down {
		if err := p.part(i%l.across, i/l.across, p.convert); err != nil {
			return nil, fmt.Errorf("%s %d of %d: %w", l.partName(), i+1, l.across*l.down, err)
		}
	}
	return p.image, nil
}

func (l *layout) partName() string {
	if l.tiled {
		return "tile"
	}
	return "strip"
}

// painter decodes a picture.
type painter struct {
	*layout
	ctx     context.Context //nolint:containedctx // of Decode
	jpeg    JPEG
	image   *raster.Image
	convert func(out []uint8, row []byte) // one row of uncompressed pixels to the result's
	whole   []byte                        // a row of all planes
	plane   []byte                        // a row of one plane
	samples []uint8                       // a row of 8-bit samples
}

// rowBytes is the size of a row of a strip or tile, of n samples a pixel.
func (l *layout) rowBytes(n int) int { return (l.partWidth*n*l.bits + 7) / 8 }

// maxRowBytes bounds the memory for rows: 64 samples of 8 bytes of a million pixels.
const maxRowBytes = 512 << 20

// maxBytes bounds the bytes of all rows with the parts of tiles outside the picture: 40 for each of
// 100 million pixels. Some compressions make a thousand of them from one byte of the file.
const maxBytes = 4 << 30

// prepare makes room for rows and chooses how they are converted.
func (p *painter) prepare() error {
	if int64(p.partWidth)*int64(p.layout.samples)*int64(p.bits) > 8*maxRowBytes {
		return fmt.Errorf("rows of %d pixels with %d samples of %d bits", p.partWidth, p.layout.samples, p.bits)
	}
	if row := int64(p.rowBytes(p.layout.samples)) * int64(p.across); row > maxBytes/int64(p.height) {
		return fmt.Errorf("%w: %d rows of %d bytes", ErrWork, p.height, row)
	}
	if p.compression != compressionJPEG {
		p.whole = make([]byte, p.rowBytes(p.layout.samples))
		if p.separate {
			if p.bits%8 != 0 {
				return fmt.Errorf("planes of samples of %d bits are not supported", p.bits)
			}
			p.plane = make([]byte, p.rowBytes(1))
		}
	}
	p.samples = make([]uint8, p.partWidth*p.layout.samples)
	if p.format == formatFloat {
		if p.compression == compressionJPEG {
			return errors.New("floating-point samples as JPEG")
		}
		return p.prepareFloat()
	}
	p.convert = p.converter()
	return nil
}

// part decodes the strip or tile in column x and row y and hands its rows to use.
func (p *painter) part(x, y int, use func(out []uint8, row []byte)) error {
	rows := min(p.partHeight, p.height-y*p.partHeight)
	out := func(k int) []uint8 {
		row := p.image.Row(y*p.partHeight + k)[x*p.partWidth*p.channels:]
		return row[:min(len(row), p.partWidth*p.channels)]
	}
	switch {
	case p.compression == compressionJPEG:
		return p.jpegPart(y*p.across+x, rows, out)
	case p.subsampleX*p.subsampleY > 1:
		return p.subsampledPart(y*p.across+x, rows, out)
	}
	if err := p.watch.Spend(partWork); err != nil {
		return err
	}
	planes := 1
	if p.separate {
		planes = p.layout.samples
	}
	readers := make([]io.Reader, planes)
	for i := range readers {
		var err error
		if readers[i], err = p.layout.part(i*p.across*p.down + y*p.across + x); err != nil {
			return err
		}
		if c, ok := readers[i].(io.Closer); ok {
			defer c.Close()
		}
	}
	for k := range rows {
		err := p.readRow(readers)
		if err == nil {
			err = p.watch.Spend(len(p.whole))
		}
		if err != nil {
			return err
		}
		use(out(k), p.whole)
	}
	return p.settle(readers)
}

// partWork is what a strip or tile costs before its first row, in samples: some decompressors take
// tens of kilobytes of memory.
const partWork = 10_000

// settle counts the bytes that decompressors of the file's own bytes have read.
func (p *painter) settle(readers []io.Reader) error {
	for _, r := range readers {
		if r, ok := r.(interface{ taken() int }); ok {
			if err := p.charge(r.taken()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readRow reads a row of all planes into whole.
func (p *painter) readRow(readers []io.Reader) error {
	if len(readers) == 1 {
		if err := readFull(readers[0], p.whole); err != nil {
			return err
		}
		return p.undo(p.whole, p.layout.samples)
	}
	size := p.bits / 8
	for i, r := range readers {
		if err := readFull(r, p.plane); err != nil {
			return err
		}
		if err := p.undo(p.plane, 1); err != nil {
			return err
		}
		for x := range p.partWidth {
			copy(p.whole[(x*len(readers)+i)*size:][:size], p.plane[x*size:])
		}
	}
	return nil
}

// readFull is io.ReadFull with one error for all kinds of an early end.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// freeTables is the size of tables that are copied to each strip or tile without being counted.
const freeTables = 4096

// jpegPart decodes a strip or tile that is a JPEG stream; its tables may be in a tag of the
// directory.
func (p *painter) jpegPart(i, rows int, out func(int) []uint8) error {
	if p.bits != 8 || p.separate {
		return errors.New("JPEG compression is supported with 8 bits a sample and one plane only")
	}
	stream, err := p.partBytes(i)
	if err != nil {
		return err
	}
	tables, err := p.raw(tagJPEGTables)
	if err != nil {
		return err
	}
	if err := p.charge(max(len(tables)-freeTables, 0)); err != nil {
		return err
	}
	if len(tables) > 4 && len(stream) > 2 { // less the tables' end and the stream's start
		stream = append(tables[:len(tables)-2:len(tables)-2], stream[2:]...)
	}
	height := rows
	if p.tiled {
		height = p.partHeight
	}
	m, err := p.jpeg(p.ctx, stream, p.partWidth, height, p.photometric == colourYCbCr)
	if err != nil {
		return err
	}
	if m.Height < rows || m.Channels != p.layout.samples {
		return fmt.Errorf("JPEG stream of %d rows with %d components, expected %d with %d", m.Height, m.Channels, rows, p.layout.samples)
	}
	for _, w := range m.Warnings {
		p.image.Warn("%s %d: %s", p.partName(), i+1, w)
	}
	for k := range rows {
		p.convert(out(k), m.Row(k))
	}
	return nil
}

// oldJPEG decodes a picture with the compression of TIFF 6.0, section 22, if it holds a whole JPEG
// stream.
func (p *painter) oldJPEG() (*raster.Image, error) {
	at, err := p.uint(tagJPEGStream, 0)
	if err != nil {
		return nil, err
	}
	n, err := p.uint(tagJPEGLength, 0)
	if err != nil {
		return nil, err
	}
	stream, err := p.bytes(offset64(at), n)
	if at == 0 || err != nil || len(stream) < 4 {
		return nil, errors.New("JPEG compression of the old kind (6) is not supported")
	}
	m, err := p.jpeg(p.ctx, stream, p.width, p.height, p.photometric == colourYCbCr)
	if err != nil {
		return nil, err
	}
	if m.Height != p.height || m.Channels != p.channels {
		return nil, fmt.Errorf("JPEG stream of %d rows with %d components, expected %d with %d", m.Height, m.Channels, p.height, p.channels)
	}
	m.Warnings = append(p.image.Warnings, m.Warnings...)
	return m, nil
}
