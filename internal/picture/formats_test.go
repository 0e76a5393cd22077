package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// A height of 0 in the frame header is followed by the real one after the scan (DNL segment).
func TestLateHeight(t *testing.T) {
	file := golden(t)["444-5x3.jpg"]
	want, err := Decode(file, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(file, []byte{0xff, 0xc0})
	late := slices.Concat(file[:len(file)-2], []byte{0xff, 0xdc, 0, 4, 0, byte(want.Height)}, file[len(file)-2:])
	late[frame+5], late[frame+6] = 0, 0
	got, err := Decode(late, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) || got.Warnings != nil {
		t.Errorf("%d rows, want %d; warnings %q", got.Height, want.Height, got.Warnings)
	}
	if _, err := Decode(late, Limits{MaxPixels: 14}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want %v", err, ErrTooLarge)
	}
	none := bytes.Clone(file)
	none[frame+5], none[frame+6] = 0, 0
	if _, err := Decode(none, Limits{}); err == nil || !strings.Contains(err.Error(), "5 x 0 pixels") {
		t.Errorf("without a height anywhere: %v", err)
	}
}

// animated makes an animation with one frame, at (x, y) of a canvas, out of a still lossy WebP.
func animated(still []byte, canvasWidth, canvasHeight, x, y, width, height int) []byte {
	number := func(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
	chunk := func(kind string, body []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
		return append(append(b, body...), make([]byte, len(body)&1)...)
	}
	size := append(number(canvasWidth-1), number(canvasHeight-1)...)
	frame := slices.Concat(number(x/2), number(y/2), number(width-1), number(height-1), []byte{0, 0, 0, 0}, still[12:])
	body := slices.Concat([]byte("WEBP"), chunk("VP8X", append([]byte{2, 0, 0, 0}, size...)), chunk("ANIM", make([]byte, 6)), chunk("ANMF", frame))
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func TestAnimatedWebP(t *testing.T) {
	still := golden(t)["lossy-3x3.webp"]
	want, err := Decode(still, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(animated(still, 7, 5, 4, 2, 3, 3), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for y := range 5 {
		for x := range 7 {
			px := [3]uint8{}
			if x >= 4 && y >= 2 {
				copy(px[:], want.Pix[3*(3*(y-2)+x-4):])
			}
			if o := got.Pix[3*(7*y+x):][:3]; !bytes.Equal(o, px[:]) {
				t.Errorf("pixel (%d, %d) is %v, want %v", x, y, o, px)
			}
		}
	}
	for says, data := range map[string][]byte{
		"not in its canvas":          animated(still, 5, 5, 4, 2, 3, 3),
		"holds a picture of 3 x 3":   animated(still, 9, 9, 0, 0, 4, 3),
		"it ends before the picture": animated(still[:14], 7, 5, 4, 2, 3, 3),
	} {
		if _, err := Decode(data, Limits{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Sizes of pixels before compression, from the PNG specification's passes.
func TestPNGPixelBytes(t *testing.T) {
	for _, c := range []struct {
		h    pngHeader
		want int64
	}{
		{pngHeader{width: 3, height: 2, bits: 8, colour: 2}, 2 * (1 + 9)},
		{pngHeader{width: 9, height: 2, bits: 1}, 2 * (1 + 2)},
		{pngHeader{width: 1, height: 1, bits: 8, interlaced: true}, 2},
		{pngHeader{width: 8, height: 8, bits: 8, interlaced: true}, 64 + 15},
		{pngHeader{width: 5, height: 5, bits: 16, colour: 6, interlaced: true}, 25*8 + 11},
	} {
		if got := c.h.pixelBytes(); got != c.want {
			t.Errorf("%+v: %d bytes, want %d", c.h, got, c.want)
		}
	}
}

// A PNG cut anywhere in its pixels is not decoded; a missing end alone is.
func TestPNGCut(t *testing.T) {
	data := golden(t)["rgb.png"]
	for cut := range data {
		p, err := Decode(data[:cut], Limits{})
		if whole := cut >= len(data)-12; (err == nil) != whole || whole && p.Warnings == nil {
			t.Fatalf("cut to %d of %d bytes: %v", cut, len(data), err)
		}
	}
}
