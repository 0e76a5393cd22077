package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"runtime"

	"golang.org/x/image/webp"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture/raster"
)

// webpSize reads the size; the decoder holds the data to it.
func webpSize(data []byte) (width, height int, err error) {
	if x := webpChunk(data, "VP8X"); len(x) >= 10 {
		// 24 bits each, less one. The decoder would call the largest invalid.
		side := func(b []byte) int { return 1 + int(b[0]) + int(b[1])<<8 + int(b[2])<<16 }
		return side(x[4:]), side(x[7:]), nil
	}
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeWebP gives *RGB for lossy pictures, converted as libwebp does, and the
// decoder's own picture for lossless ones. Of an animation it takes the first frame.
func decodeWebP(ctx context.Context, data []byte) (image.Image, raster.Warnings, error) {
	var w raster.Warnings
	if frame := webpChunk(data, "ANMF"); frame != nil {
		w.Warn("the picture is animated; the first frame is used")
		m, err := firstFrame(ctx, data, frame)
		return m, w, err
	}
	m, err := decodeStill(ctx, data)
	return m, w, err
}

// firstFrame draws the first frame of an animation on its canvas, which is black where the frame
// does not reach.
func firstFrame(ctx context.Context, data, frame []byte) (image.Image, error) {
	width, height, err := webpSize(data)
	if err != nil {
		return nil, err
	}
	const header = 16
	if len(frame) < header {
		return nil, ErrTruncated
	}
	number := func(i int) int { return int(frame[i]) | int(frame[i+1])<<8 | int(frame[i+2])<<16 }
	x, y, w, h := 2*number(0), 2*number(3), 1+number(6), 1+number(9)
	if x+w > width || y+h > height {
		return nil, fmt.Errorf("a frame of %d x %d pixels at (%d, %d) is not in its canvas of %d x %d", w, h, x, y, width, height)
	}
	still := stillWebP(frame[header:], frame[6:12])
	c, err := webp.DecodeConfig(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if c.Width != w || c.Height != h {
		return nil, fmt.Errorf("a frame of %d x %d pixels holds a picture of %d x %d", w, h, c.Width, c.Height)
	}
	m, err := decodeStill(ctx, still)
	if err != nil {
		return nil, err
	}
	rgb, err := FromImageContext(ctx, m)
	if err != nil {
		return nil, err
	}
	if rgb.Width != w || rgb.Height != h {
		return nil, fmt.Errorf("a frame of %d x %d pixels holds a picture of %d x %d", w, h, rgb.Width, rgb.Height)
	}
	p := NewRGB(width, height)
	for k := range h {
		copy(p.Pix[3*((y+k)*p.Width+x):], rgb.Pix[3*k*w:][:3*w])
	}
	return p, nil
}

// stillWebP makes a file of a frame's chunks; size has its width and height, less one, as the
// extended header does.
func stillWebP(chunks, size []byte) []byte {
	const alpha = 0x10
	b := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"), size...)
	hasAlpha := bytes.HasPrefix(chunks, []byte("ALPH"))
	if hasAlpha {
		b[20] = alpha
	} else {
		b = b[:12]
	}
	b = append(b, chunks...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func decodeStill(ctx context.Context, data []byte) (image.Image, error) {
	m, err := readStill(ctx, data)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return videoToRGB(ctx, m)
	case *image.NYCbCrA:
		return videoToRGB(ctx, &m.YCbCr)
	}
	return m, nil
}

// webpDecodes holds a value for each file that is being decoded.
var webpDecodes = make(chan struct{}, runtime.GOMAXPROCS(0))

// readStill is webp.Decode. That ends with the error of its reader, but it reads all data of a
// lossy picture before it decodes any, and of a lossless picture of one colour it reads next to
// nothing. When ctx ends, readStill does not wait for it. The decoder then works for at most 50 ns
// a pixel, and there are never more of them than processors.
func readStill(ctx context.Context, data []byte) (image.Image, error) {
	r := &contextReader{ctx, bytes.NewReader(data)}
	select {
	case webpDecodes <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var m image.Image // not read if the decoder is left alone
	done := parallel.Go(func() (err error) {
		defer func() { <-webpDecodes }()
		m, err = webp.Decode(r)
		return err
	})
	select {
	case err := <-done:
		return m, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// videoToRGB converts the planes of a lossy WebP as libwebp does. They differ
// from a JPEG's in range (16 to 235, ITU-R 601) and in where chroma samples are: each
// output takes 9/16, 3/16, 3/16 and 1/16 of its four neighbours, in libwebp's
// own order of rounding.
func videoToRGB(ctx context.Context, m *image.YCbCr) (*RGB, error) {
	look := watching(ctx)
	b := m.Bounds()
	p := NewRGB(b.Dx(), b.Dy())
	ch := (p.Height + 1) / 2
	inBands(p.Height, 64, func(y0, y1 int) {
		for y := y0; y < y1 && !look.ended(); y++ {
			near := y / 2
			far := min(max(near-1+2*(y%2), 0), ch-1)
			videoRow(p.Pix[3*y*p.Width:][:3*p.Width], m.Y[y*m.YStride:][:p.Width],
				m.Cb[near*m.CStride:], m.Cb[far*m.CStride:], m.Cr[near*m.CStride:], m.Cr[far*m.CStride:])
		}
	})
	return unlessEnded(look, p)
}

// videoRow converts one row. Between chroma columns x-1 and x lie the output
// pixels 2x-1 and 2x.
func videoRow(out, luma, uNear, uFar, vNear, vFar []uint8) {
	w := len(luma)
	edge := func(near, far uint8) int32 { return (3*int32(near) + int32(far) + 2) >> 2 }
	put := func(x int, u, v int32) { videoPixel(out[3*x:3*x+3], int32(luma[x]), u, v) }
	put(0, edge(uNear[0], uFar[0]), edge(vNear[0], vFar[0]))
	last := (w - 1) / 2
	for x := 1; x <= last; x++ {
		ul, ur := between(uNear[x-1], uNear[x], uFar[x-1], uFar[x])
		vl, vr := between(vNear[x-1], vNear[x], vFar[x-1], vFar[x])
		put(2*x-1, ul, vl)
		put(2*x, ur, vr)
	}
	if w%2 == 0 {
		put(w-1, edge(uNear[last], uFar[last]), edge(vNear[last], vFar[last]))
	}
}

// between gives the two values between columns a and b of the near row (n) and
// the far row (f): the one close to a, then the one close to b.
func between(na, nb, fa, fb uint8) (left, right int32) {
	a, b, c, d := int32(na), int32(nb), int32(fa), int32(fb)
	sum := a + b + c + d + 8
	left = ((sum+2*(b+c))>>3 + a) >> 1
	right = ((sum+2*(a+d))>>3 + b) >> 1
	return left, right
}

// videoPixel is libwebp's 14-bit fixed-point conversion.
func videoPixel(out []uint8, y, u, v int32) {
	l := y * 19077 >> 8
	clip := func(v int32) uint8 { return clamp8(v >> 6) }
	out[0] = clip(l + v*26149>>8 - 14234)
	out[1] = clip(l - u*6419>>8 - v*13320>>8 + 8708)
	out[2] = clip(l + u*33050>>8 - 17685)
}

// webpChunk finds the first chunk of a kind, nil if there is none.
func webpChunk(data []byte, kind string) []byte {
	for at := 12; at+8 <= len(data); {
		size := int64(binary.LittleEndian.Uint32(data[at+4:]))
		if size > int64(len(data)-at-8) {
			return nil
		}
		if string(data[at:at+4]) == kind {
			return data[at+8 : at+8+int(size)]
		}
		at += 8 + int(size) + int(size&1)
	}
	return nil
}
