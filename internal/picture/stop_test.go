package picture

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"image/png"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// large are pictures of w x h pixels in formats of which a file is easily made.
func large(t testing.TB, w, h int) map[string][]byte {
	t.Helper()
	le := binary.LittleEndian
	pixels := make([]byte, 3*w*h)
	for i := range pixels {
		pixels[i] = byte(i * i >> 7)
	}
	rgb := &RGB{Pix: pixels, Width: w, Height: h}
	list := map[string][]byte{
		"pnm":      append(fmt.Appendf(nil, "P6 %d %d 255 ", w, h), pixels...),
		"pam":      append(fmt.Appendf(nil, "P7\nWIDTH %d\nHEIGHT %d\nDEPTH 2\nMAXVAL 255\nENDHDR\n", w, h), pixels[:2*w*h]...),
		"pbm":      append(fmt.Appendf(nil, "P4 %d %d ", w, h), pixels[:(w+7)/8*h]...),
		"text.pnm": append(fmt.Appendf(nil, "P2 %d %d 9 ", w, h), bytes.Repeat([]byte("7 "), w*h)...),
	}
	bmp := append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"), make([]byte, 36)...)
	le.PutUint32(bmp[18:], uint32(w))
	le.PutUint32(bmp[22:], uint32(h))
	le.PutUint16(bmp[26:], 1)
	le.PutUint16(bmp[28:], 24)
	list["bmp"] = append(bmp, pixels...)
	var b bytes.Buffer
	paletted := image.NewPaletted(image.Rect(0, 0, w, h), palette.WebSafe)
	for i := range paletted.Pix {
		paletted.Pix[i] = pixels[i] % 200
	}
	if err := gif.Encode(&b, paletted, nil); err != nil {
		t.Fatal(err)
	}
	list["gif"] = slices.Clone(b.Bytes())
	b.Reset()
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, rgb); err != nil {
		t.Fatal(err)
	}
	list["png"] = slices.Clone(b.Bytes())
	var err error
	if list["jpeg"], err = EncodeJPEG(rgb, 90); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	z, _ := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	_, _ = z.Write(pixels)
	_ = z.Close()
	list["tiff"], list["deflate.tiff"] = tiffOf(w, h, 1, pixels), tiffOf(w, h, 8, slices.Clone(b.Bytes()))
	list["webp"] = lossyWebP(w, h)
	return list
}

// tiffOf is a file of one strip of RGB.
func tiffOf(w, h, compression int, strip []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("II*\x00"), 0, 0, 0, 0)
	b = append(b, strip...)
	b = append(b, make([]byte, len(b)%2)...)
	le.PutUint32(b[4:], uint32(len(b)))
	entries := [][3]uint32{{256, 4, uint32(w)}, {257, 4, uint32(h)}, {258, 3, 8}, {259, 3, uint32(compression)}, {262, 3, 2}, {273, 4, 8}, {277, 3, 3}, {278, 4, uint32(h)}, {279, 4, uint32(len(strip))}}
	b = append(b, byte(len(entries)), 0)
	for _, e := range entries {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, uint16(e[0])), uint16(e[1])), 1), e[2])
	}
	return append(b, 0, 0, 0, 0)
}

// lossyWebP is a key frame whose partitions are of zeros.
func lossyWebP(w, h int) []byte {
	le := binary.LittleEndian
	first := make([]byte, w*h/50+100)
	frame := append([]byte{byte(len(first) << 5), byte(len(first) >> 3), byte(len(first) >> 11), 0x9d, 1, 0x2a}, byte(w), byte(w>>8), byte(h), byte(h>>8))
	frame[0] |= 0x10
	frame = append(append(frame, first...), make([]byte, w*h/4+100)...)
	frame = append(frame, make([]byte, len(frame)%2)...)
	b := append([]byte("RIFF"), le.AppendUint32(nil, uint32(len(frame)+12))...)
	b = append(append(b, "WEBPVP8 "...), le.AppendUint32(nil, uint32(len(frame)))...)
	return append(b, frame...)
}

// endingContext ends at the n-th look at it.
type endingContext struct {
	context.Context
	looks atomic.Int64
	n     int64
}

func (c *endingContext) Err() error {
	if c.looks.Add(1) >= c.n {
		return context.Canceled
	}
	return nil
}

// Every decoder looks at its context at least once for a megapixel, and stops at the look that
// finds it ended, or after one more.
func TestEveryDecoderStops(t *testing.T) {
	const w, h = 1600, 1500
	for name, data := range large(t, w, h) {
		for _, open := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := DecodeContext(ctx, data, Limits{}); return err },
			func(ctx context.Context) error { _, err := DecodeGrayContext(ctx, data, Limits{}); return err },
			func(ctx context.Context) error { _, err := decodeStored(ctx, data, Limits{}); return err },
		} {
			whole := &endingContext{Context: t.Context(), n: 1 << 40}
			if err := open(whole); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			looks := whole.looks.Load()
			// PNM is a copy, and the decoder of WebP is left alone.
			if !slices.Contains([]string{"pnm", "webp"}, name) && looks < w*h/1_000_000 {
				t.Errorf("%s: %d looks at the context for %d pixels", name, looks, w*h)
			}
			for n := int64(1); n <= looks; n += max(looks/7, 1) {
				ctx := &endingContext{Context: t.Context(), n: n}
				if err := open(ctx); !errors.Is(err, context.Canceled) || name != "webp" && ctx.looks.Load() > n+1 {
					t.Errorf("%s: error %v after %d of %d looks, expected an end at look %d", name, err, ctx.looks.Load(), looks, n)
				}
			}
		}
	}
}

// A WebP whose client has left returns at once, and no more of its decoders run than processors.
func TestWebPIsLeft(t *testing.T) {
	data := lossyWebP(4000, 4000)
	for range 4 * runtime.GOMAXPROCS(0) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := DecodeContext(ctx, data, Limits{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, expected that time is up", err)
		}
		cancel()
		if n := len(webpDecodes); n > runtime.GOMAXPROCS(0) {
			t.Fatalf("%d decoders run", n)
		}
	}
	if _, err := DecodeContext(t.Context(), lossyWebP(64, 64), Limits{}); err != nil {
		t.Error(err)
	}
}
