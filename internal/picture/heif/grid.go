package heif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/sandbox"
)

// grid is a picture in tiles (ISO/IEC 23008-12, 6.6.2.3), as telephones write them. Strips of whole
// rows of tiles are decoded side by side, each from a copy of the file whose grid is the strip.
type grid struct {
	header
	rows, cols int
	tileHeight int
	data       []byte
	layout     int // offset of the item data of the grid
	reference  int // offset of the box with the tiles' numbers, without its head
	tiles      []byte
	large      int // 1 if the sizes of the layout have 4 bytes
}

// strips is how many parts a grid is decoded in. It is the number of decoders that may run at once.
const strips = 2

var errOtherGrid = errors.New("a picture that is decoded as a whole")

// newGrid reads the layout of a grid. It returns an error for files that are to be decoded as a
// whole: pictures without tiles, damaged ones, rare forms, and those where strips could give other
// pixels because a strip's edge or a transformation cuts through a sample of chroma.
func newGrid(data []byte, h header) (*grid, error) {
	meta, err := metaBox(data)
	if err != nil {
		return nil, err
	}
	primary, err := primaryItem(meta)
	if err != nil {
		return nil, err
	}
	g := &grid{header: h, data: data}
	if err := g.readLayout(meta, primary); err != nil {
		return nil, err
	}
	tiles, err := references(meta, primary)
	if err != nil || len(tiles)/2 != g.rows*g.cols || g.rows < 2 {
		return nil, errOtherGrid
	}
	g.tiles, g.reference = tiles, g.offset(tiles)-4
	tile, err := headerOf(data, uint32(binary.BigEndian.Uint16(tiles)))
	if err != nil {
		return nil, err
	}
	g.tileHeight = tile.stored[1]
	odd := g.tileHeight%2 != 0 || len(tile.transforms) > 0 || (g.rows-1)*g.tileHeight >= g.stored[1] || g.rows*g.tileHeight < g.stored[1]
	for _, t := range h.transforms {
		odd = odd || t.kind != "irot" || len(t.body) != 1 || h.width%2 != 0 || h.height%2 != 0
	}
	if odd {
		return nil, errOtherGrid
	}
	return g, nil
}

// offset is where a part of the file begins. Parts share the file's memory up to its end.
func (g *grid) offset(part []byte) int { return cap(g.data) - cap(part) }

// readLayout reads the numbers of rows and columns from the item data of a grid.
func (g *grid) readLayout(meta []byte, item uint32) error {
	b, err := itemData(meta, item)
	if err != nil {
		return err
	}
	g.layout = g.offset(b)
	f := fields{b: b}
	f.uint(1)
	g.large = int(f.uint(1) & 1)
	g.rows, g.cols = int(f.uint(1))+1, int(f.uint(1))+1
	w, h := f.uint(2+2*g.large), f.uint(2+2*g.large)
	if f.short || int(w) != g.stored[0] || int(h) != g.stored[1] {
		return errOtherGrid
	}
	return nil
}

// emptyReference is how long a reference box without references is, in bytes.
const emptyReference = 12

// strip gives the file of which the primary picture has only the rows of tiles from first to end,
// not rotated.
func (g *grid) strip(first, end int) ([]byte, header, error) {
	h := g.header
	h.stored[1] = min(end*g.tileHeight, h.stored[1]) - first*g.tileHeight
	h.width, h.height, h.transforms = h.stored[0], h.stored[1], nil
	b := bytes.Clone(g.data)
	b[g.layout+2] = byte(end - first - 1)
	if height := b[g.layout+6:]; g.large > 0 {
		binary.BigEndian.PutUint32(b[g.layout+8:], uint32(h.height))
	} else {
		binary.BigEndian.PutUint16(height, uint16(h.height))
	}
	binary.BigEndian.PutUint32(b[g.offset(g.size)+8:], uint32(h.height))
	for _, t := range g.transforms {
		b[g.offset(t.body)] = 0 // rotated by 0 degrees
	}
	n := 2 * g.cols * (end - first)
	left := len(g.tiles) - n
	if left < emptyReference {
		return nil, h, errOtherGrid
	}
	box := b[g.reference-8:]
	others := slices.Concat(g.tiles[:2*g.cols*first], g.tiles[2*g.cols*end:])
	binary.BigEndian.PutUint32(box, uint32(emptyReference+n))
	binary.BigEndian.PutUint16(box[10:], uint16(n/2))
	copy(box[emptyReference:], g.tiles[2*g.cols*first:][:n])
	// The rest of the reference box becomes one of a kind that has no meaning. An item must not be
	// in it twice.
	rest := box[emptyReference+n:][:left]
	binary.BigEndian.PutUint32(rest, uint32(left))
	copy(rest[4:], "none")
	copy(rest[8:10], g.tiles[2*g.cols*first:])
	binary.BigEndian.PutUint16(rest[10:], uint16((left-emptyReference)/2))
	copy(rest[emptyReference:], others)
	return b, h, nil
}

// decodeGrid decodes a grid in strips, if a second decoder may run. It returns errOtherGrid where
// the file is to be decoded as a whole.
func decodeGrid(ctx context.Context, data []byte, h header) (*raster.Image, error) {
	if runtime.GOMAXPROCS(0) < strips {
		return nil, errOtherGrid
	}
	g, err := newGrid(data, h)
	if err != nil {
		return nil, errOtherGrid
	}
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	default:
		return nil, errOtherGrid
	}
	m, err := g.decode(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, sandbox.ErrWork) {
		return nil, errOtherGrid // libheif finds the fault, or reads the file after all
	}
	return m, err
}

// decode decodes the strips and puts them together. Together they use the memory of one decoder,
// and each has the work of a picture of its size.
func (g *grid) decode(ctx context.Context) (*raster.Image, error) {
	m := raster.New(g.stored[0], g.stored[1], 3)
	err := parallel.For(ctx, strips, strips, func(ctx context.Context, i int) error {
		first := i * g.rows / strips
		data, h, err := g.strip(first, (i+1)*g.rows/strips)
		if err != nil {
			return err
		}
		use := limits(data, h)
		use.Memory /= strips
		part, err := decodeHEIC(ctx, data, h, use)
		if err != nil {
			return err
		}
		if part.Channels != m.Channels {
			return errOtherGrid
		}
		copy(m.Pix[3*m.Width*first*g.tileHeight:], part.Pix)
		return nil
	})
	if err != nil {
		return nil, err
	}
	watch := raster.NewWatch(ctx)
	for _, t := range g.transforms {
		if m, err = transform(watch, m, t); err != nil {
			return nil, err
		}
	}
	return m, nil
}
