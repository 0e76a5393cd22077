package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
)

// pngHeader is what the IHDR chunk says.
type pngHeader struct {
	width, height int64
	bits, colour  byte
}

func readPNGHeader(data []byte) (pngHeader, error) {
	const size = 8 + 8 + 13
	if len(data) < size {
		return pngHeader{}, ErrTruncated
	}
	if string(data[12:16]) != "IHDR" {
		return pngHeader{}, fmt.Errorf("first chunk is %q, want IHDR", data[12:16])
	}
	return pngHeader{
		width:  int64(binary.BigEndian.Uint32(data[16:])),
		height: int64(binary.BigEndian.Uint32(data[20:])),
		bits:   data[24], colour: data[25],
	}, nil
}

func pngConfig(data []byte) (image.Config, error) {
	h, err := readPNGHeader(data)
	if err != nil {
		return image.Config{}, err
	}
	if h.width > 1<<31-1 || h.height > 1<<31-1 {
		return image.Config{}, fmt.Errorf("the header gives a size of %d x %d pixels", h.width, h.height)
	}
	return image.Config{Width: int(h.width), Height: int(h.height)}, nil
}

func decodePNG(ctx context.Context, data []byte) (image.Image, error) {
	h, err := readPNGHeader(data)
	if err != nil {
		return nil, err
	}
	// Deflate packs at most 1032 bytes into one, so a small file with a large
	// header is truncated; report that before allocating memory for its pixels.
	if h.width*h.height*int64(max(h.bits, 1))/8/1032 > int64(len(data)) {
		return nil, ErrTruncated
	}
	m, err := png.Decode(&contextReader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	if h.colour == 0 && h.bits == 16 {
		// 16-bit grey is clipped, as Pillow does; a transparent colour makes
		// the decoder choose another type, of which the grey is wanted.
		if m, ok := m.(*image.NRGBA64); ok {
			return clipGray16(redOf(m)), nil
		}
		if m, ok := m.(*image.Gray16); ok {
			return clipGray16(m), nil
		}
	}
	return m, nil
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
