package picture

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture/raster"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// pngHeader is what the IHDR chunk says.
type pngHeader struct {
	width, height int64
	bits, colour  byte
	interlaced    bool
}

func readPNGHeader(data []byte) (pngHeader, error) {
	const size = 8 + 8 + 13
	if len(data) < size {
		return pngHeader{}, ErrTruncated
	}
	switch string(data[12:16]) {
	case "IHDR":
	case "CgBI":
		return pngHeader{}, errors.New("a PNG in Apple's own form for iPhone applications is not supported")
	default:
		return pngHeader{}, fmt.Errorf("first chunk is %q, want IHDR", data[12:16])
	}
	return pngHeader{
		width:  int64(binary.BigEndian.Uint32(data[16:])),
		height: int64(binary.BigEndian.Uint32(data[20:])),
		bits:   data[24], colour: data[25], interlaced: data[28] != 0,
	}, nil
}

func pngSize(data []byte) (width, height int, err error) {
	h, err := readPNGHeader(data)
	if err != nil {
		return 0, 0, err
	}
	if h.width > 1<<31-1 || h.height > 1<<31-1 {
		return 0, 0, fmt.Errorf("the header gives a size of %d x %d pixels", h.width, h.height)
	}
	return int(h.width), int(h.height), nil
}

func decodePNG(ctx context.Context, data []byte) (image.Image, raster.Warnings, error) {
	h, err := readPNGHeader(data)
	if err != nil {
		return nil, nil, err
	}
	// Deflate packs at most 1032 bytes into one, so a small file with a large
	// header is truncated; report that before allocating memory for its pixels.
	if h.width*h.height*int64(max(h.bits, 1))/8/1032 > int64(len(data)) {
		return nil, nil, ErrTruncated
	}
	c := pickPNGChunks(data)
	if len(c.idat) == 0 && !c.end {
		return nil, nil, ErrTruncated
	}
	m, err := png.Decode(&contextReader{ctx, bytes.NewReader(c.join())})
	if err != nil && strings.Contains(err.Error(), "too much pixel data") {
		if c.idat, err = h.cutPixels(ctx, c.idat); err != nil {
			return nil, nil, err
		}
		c.Warn("more rows than the header gives are ignored")
		m, err = png.Decode(&contextReader{ctx, bytes.NewReader(c.join())})
	}
	if err != nil {
		return nil, nil, err
	}
	if m, ok := m.(*image.NRGBA64); ok && h.colour == 0 {
		// A transparent colour makes the decoder choose another type, of which the grey is wanted.
		return redOf(m), c.Warnings, nil
	}
	return m, c.Warnings, nil
}

// pngChunks are the chunks of a file that its pixels depend on.
type pngChunks struct {
	before [][]byte // whole chunks up to the pixels: IHDR, PLTE, tRNS
	idat   [][]byte // whole chunks
	end    bool     // there is an IEND
	rest   []byte   // a last chunk that is cut off, if any
	raster.Warnings
}

// pickPNGChunks leaves out what does not matter for the pixels, so that nothing that is wrong there
// is an error: ancillary chunks with a wrong checksum, transparency where it has no place. A
// missing end is added.
func pickPNGChunks(data []byte) *pngChunks {
	c := &pngChunks{}
	colour := data[25]
	palette := false
	at := len(pngMagic)
	for !c.end && at+12 <= len(data) {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		if size > int64(len(data)-at-12) {
			break
		}
		chunk := data[at : at+12+int(size)]
		at += len(chunk)
		switch kind := string(chunk[4:8]); {
		case kind == "IDAT":
			c.idat = append(c.idat, chunk)
		case kind == "IEND":
			c.end = true
		case kind == "acTL":
			c.Warn("the picture is animated; the first picture is used")
		case kind == "tRNS":
			known := colour == 0 || colour == 2 || colour == 3 && palette
			if !known || !sound(chunk) || len(c.idat) > 0 {
				c.Warn("transparency where it has no place is ignored")
			} else {
				c.before = append(c.before, chunk)
			}
		case kind[0]&0x20 == 0: // critical
			palette = palette || kind == "PLTE"
			if len(c.idat) == 0 {
				c.before = append(c.before, chunk)
			}
		case !sound(chunk):
			c.Warn("the checksum of the chunk %q, which the pixels do not need, is wrong", kind)
		}
	}
	switch {
	case c.end:
	case at+12 <= len(data):
		c.rest = data[at:]
	default: // nothing more than a part of the end chunk is missing
		c.Warn("the end of the picture is not marked")
	}
	return c
}

// sound tells whether the checksum of a chunk is right.
func sound(chunk []byte) bool {
	return crc32.ChecksumIEEE(chunk[4:len(chunk)-4]) == binary.BigEndian.Uint32(chunk[len(chunk)-4:])
}

// join makes a file of the chunks.
func (c *pngChunks) join() []byte {
	parts := append([][]byte{[]byte(pngMagic)}, c.before...)
	parts = append(append(parts, c.idat...), c.rest)
	if c.rest == nil {
		parts = append(parts, pngChunkOf("IEND", nil))
	}
	return slices.Concat(parts...)
}

// pngChunkOf makes a chunk.
func pngChunkOf(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// cutPixels packs the bytes of the pixels that the header gives, and no more, into a chunk.
func (h pngHeader) cutPixels(ctx context.Context, idat [][]byte) ([][]byte, error) {
	packed := make([][]byte, len(idat))
	for i, chunk := range idat {
		packed[i] = chunk[8 : len(chunk)-4]
	}
	r, err := zlib.NewReader(&contextReader{ctx, bytes.NewReader(slices.Concat(packed...))})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.NoCompression)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(w, r, h.pixelBytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return [][]byte{pngChunkOf("IDAT", out.Bytes())}, nil
}

// pixelBytes is the size of the pixels before compression: each row has a byte for its filter.
func (h pngHeader) pixelBytes() int64 {
	samples := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h.colour]
	size := func(w, rows int64) int64 {
		if w <= 0 || rows <= 0 {
			return 0
		}
		return rows * (1 + (w*samples*int64(h.bits)+7)/8)
	}
	if !h.interlaced {
		return size(h.width, h.height)
	}
	total := int64(0)
	for _, p := range [7][4]int64{{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4}, {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}} {
		total += size((h.width-p[0]+p[1]-1)/p[1], (h.height-p[2]+p[3]-1)/p[3])
	}
	return total
}

// contextReader fails when its context has ended. A decoder reads a few kilobytes at a time, which
// hold at most some megabytes of samples.
type contextReader struct {
	ctx context.Context
	r   *bytes.Reader
}

// Read is part of io.Reader.
func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func redOf(m *image.NRGBA64) *image.Gray16 {
	g := image.NewGray16(m.Bounds())
	for i := 0; i < len(g.Pix); i += 2 {
		g.Pix[i], g.Pix[i+1] = m.Pix[4*i], m.Pix[4*i+1]
	}
	return g
}

// pngChunk finds the first chunk of a kind, nil if there is none.
func pngChunk(data []byte, kind string) []byte {
	for at := 8; at+12 <= len(data); {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		if size > int64(len(data)-at-12) {
			return nil
		}
		if string(data[at+4:at+8]) == kind {
			return data[at+8 : at+8+int(size)]
		}
		at += 12 + int(size)
	}
	return nil
}

// pngEXIF finds the EXIF data of a file: in an eXIf chunk, or as hexadecimal digits in a text of
// ImageMagick's.
func pngEXIF(data []byte) []byte {
	if b := pngChunk(data, "eXIf"); b != nil {
		return b
	}
	const name = "Raw profile type exif\x00"
	if b, ok := bytes.CutPrefix(pngChunk(data, "zTXt"), []byte(name)); ok && len(b) > 1 {
		r, err := zlib.NewReader(bytes.NewReader(b[1:]))
		if err != nil {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(r, 1<<20)) // the orientation is at the beginning
		return rawProfile(text)
	}
	b, _ := bytes.CutPrefix(pngChunk(data, "tEXt"), []byte(name))
	return rawProfile(b)
}

// rawProfile decodes ImageMagick's text: the profile's name and length in lines of their own, and
// then its digits.
func rawProfile(text []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) < 3 {
		return nil
	}
	digits := bytes.Join(lines[2:], nil)
	out := make([]byte, 0, len(digits)/2)
	high, have := byte(0), false
	for _, c := range digits {
		var v byte
		switch {
		case c >= '0' && c <= '9':
			v = c - '0'
		case c >= 'a' && c <= 'f':
			v = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			v = c - 'A' + 10
		default:
			continue
		}
		if have {
			out = append(out, high<<4|v)
		}
		high, have = v, !have
	}
	return out
}
