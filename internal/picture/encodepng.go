package picture

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"image"
	"image/png"
	"runtime"

	"github.com/declip/declip/internal/parallel"
)

// Compression chooses between the time and the size of a PNG.
type Compression int

const (
	Fast  Compression = iota // for maps and overlays
	Small                    // for files that are kept; a few times slower
)

// EncodePNG gives the bytes of a PNG file. *RGB and *Gray are filtered and
// compressed in bands of rows, as many at once as processors may be used; the
// bytes do not depend on how many. Other types go through image/png.
func EncodePNG(m image.Image, c Compression) (file []byte, err error) {
	return EncodePNGContext(context.Background(), m, c)
}

// EncodePNGContext is EncodePNG, but stops with the error of ctx soon after ctx has ended, for *RGB
// and *Gray: it looks at ctx before every band.
func EncodePNGContext(ctx context.Context, m image.Image, c Compression) ([]byte, error) {
	pieces, err := encodePieces(ctx, m, c)
	if err != nil {
		return nil, err
	}
	return bytes.Join(pieces, nil), nil
}

// encodePieces gives the parts of a PNG file in order.
func encodePieces(ctx context.Context, m image.Image, c Compression) (pieces [][]byte, err error) {
	defer parallel.Recover(&err)
	parallel.Point("encode")
	switch m := m.(type) {
	case *RGB:
		return encodePNG(ctx, m.Pix, m.Width, m.Height, 3, c)
	case *Gray:
		return encodePNG(ctx, m.Pix, m.Width, m.Height, 1, c)
	}
	var b bytes.Buffer
	level := png.BestSpeed
	if c == Small {
		level = png.BestCompression
	}
	err = (&png.Encoder{CompressionLevel: level}).Encode(&b, m)
	return [][]byte{b.Bytes()}, err
}

// bandBytes is the approximate size of a band before compression: large enough that starting again
// for each band costs little.
const bandBytes = 1 << 20

type band struct {
	data []byte // deflate blocks that end at a byte
	sum  uint32 // Adler-32 of their uncompressed contents
	size int
}

func encodePNG(ctx context.Context, pix []uint8, w, h, channels int, c Compression) ([][]byte, error) {
	if w <= 0 || h <= 0 || len(pix) != w*h*channels {
		return nil, fmt.Errorf("png: a picture of %d x %d pixels in %d bytes cannot be encoded", w, h, len(pix))
	}
	rows := max(1, bandBytes/(w*channels))
	bands := make([]band, (h+rows-1)/rows)
	parallel.Each(len(bands), runtime.GOMAXPROCS(0), func(i int) {
		if ctx.Err() == nil {
			bands[i] = deflateRows(pix, w*channels, channels, i*rows, min((i+1)*rows, h), h, c)
		}
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return piecesPNG(bands, w, h, channels), nil
}

// deflateRows filters and compresses rows [y0, y1) of n bytes each.
func deflateRows(pix []uint8, n, channels, y0, y1, h int, c Compression) band {
	level := flate.BestSpeed
	if c == Small {
		level = flate.BestCompression
	}
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, level)
	if err != nil {
		panic(err) // the levels are constants
	}
	b := band{sum: 1, size: (n + 1) * (y1 - y0)}
	sum := adler32.New()
	line, above := make([]uint8, n+1), make([]uint8, n)
	for y := y0; y < y1; y++ {
		row := pix[y*n:][:n]
		if y > 0 {
			above = pix[(y-1)*n:][:n]
		}
		if channels == 1 {
			filterUp(line, row, above)
		} else {
			filterPaeth(line, row, above, channels)
		}
		sum.Write(line)
		_, _ = z.Write(line) // a bytes.Buffer takes everything
	}
	if y1 == h {
		z.Close()
	} else {
		_ = z.Flush()
	}
	b.data, b.sum = out.Bytes(), sum.Sum32()
	return b
}

// filterUp stores differences to the row above: maps are smooth and masks flat.
func filterUp(line, row, above []uint8) {
	line[0] = 2
	line, above = line[1:][:len(row)], above[:len(row)]
	for i, v := range row {
		line[i] = v - above[i]
	}
}

// filterPaeth stores differences to the best of three neighbours, by PNG's rule.
func filterPaeth(line, row, above []uint8, channels int) {
	line[0] = 4
	line, above = line[1:][:len(row)], above[:len(row)]
	for i := range channels {
		line[i] = row[i] - above[i]
	}
	for i := channels; i < len(row); i++ {
		a, b, c := int(row[i-channels]), int(above[i]), int(above[i-channels])
		pa, pb := b-c, a-c
		pc := max(pa+pb, -pa-pb)
		pa, pb = max(pa, -pa), max(pb, -pb)
		best := c
		if pa <= pb && pa <= pc {
			best = a
		} else if pb <= pc {
			best = b
		}
		line[i] = row[i] - uint8(best)
	}
}

// piecesPNG are the parts of a file in order. Compressed rows, nearly the whole file, are not
// copied.
func piecesPNG(bands []band, w, h, channels int) [][]byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(w))
	header = binary.BigEndian.AppendUint32(header, uint32(h))
	colour := byte(0)
	if channels == 3 {
		colour = 2
	}
	pieces := appendChunk([][]byte{[]byte("\x89PNG\r\n\x1a\n")}, "IHDR", append(header, 8, colour, 0, 0, 0))
	sum := uint32(1)
	for i, b := range bands {
		var before, after []byte
		if i == 0 {
			before = []byte{0x78, 0x01}
		}
		sum = joinAdler(sum, b.sum, b.size)
		if i == len(bands)-1 {
			after = binary.BigEndian.AppendUint32(nil, sum)
		}
		pieces = appendChunk(pieces, "IDAT", before, b.data, after)
	}
	return appendChunk(pieces, "IEND")
}

// appendChunk appends a chunk whose data are in parts.
func appendChunk(pieces [][]byte, kind string, data ...[]byte) [][]byte {
	size, sum := 0, crc32.ChecksumIEEE([]byte(kind))
	for _, d := range data {
		size += len(d)
		sum = crc32.Update(sum, crc32.IEEETable, d)
	}
	pieces = append(pieces, append(binary.BigEndian.AppendUint32(nil, uint32(size)), kind...))
	return append(append(pieces, data...), binary.BigEndian.AppendUint32(nil, sum))
}

// joinAdler is the Adler-32 of two byte sequences from those of each; n is the length of the
// second. The low half is 1 plus the sum of bytes, the high half the sum of all the low ones (RFC
// 1950).
func joinAdler(first, second uint32, n int) uint32 {
	const mod = 65521
	a1, b1 := uint64(first&0xffff), uint64(first>>16)
	a2, b2 := uint64(second&0xffff), uint64(second>>16)
	a := (a1 + a2 + mod - 1) % mod
	b := (b1 + b2 + uint64(n%mod)*(a1+mod-1)) % mod
	return uint32(b<<16 | a)
}
