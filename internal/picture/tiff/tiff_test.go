package tiff

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// field is a tag with numbers of 16 or 32 bits.
type field struct {
	tag    uint16
	kind   uint16
	values []uint32
}

func short(tag uint16, values ...uint32) field { return field{tag, kindShort, values} }
func long(tag uint16, values ...uint32) field  { return field{tag, kindLong, values} }

// build makes a little-endian file: pixels from byte 8 on, then the directories.
func build(pixels []byte, directories ...[]field) []byte {
	le := binary.LittleEndian
	b := append([]byte("II*\x00\x00\x00\x00\x00"), pixels...)
	link := 4 // where the offset of the next directory is written
	for _, fields := range directories {
		var extra []byte
		le.PutUint32(b[link:], uint32(len(b)))
		values := len(b) + 2 + 12*len(fields) + 4
		d := le.AppendUint16(nil, uint16(len(fields)))
		for _, f := range fields {
			d = le.AppendUint16(le.AppendUint16(d, f.tag), f.kind)
			d = le.AppendUint32(d, uint32(len(f.values)))
			var v []byte
			for _, n := range f.values {
				if f.kind == kindShort {
					v = le.AppendUint16(v, uint16(n))
				} else {
					v = le.AppendUint32(v, n)
				}
			}
			if len(v) > 4 {
				d = le.AppendUint32(d, uint32(values+len(extra)))
				extra = append(extra, v...)
			} else {
				d = append(d, append(v, make([]byte, 4-len(v))...)...)
			}
		}
		link = len(b) + len(d)
		b = append(append(b, d...), append(make([]byte, 4), extra...)...)
	}
	return b
}

// rgb are the fields of an RGB picture of 2 x 1 pixels whose strip is at an offset.
func rgb(at uint32, more ...field) []field {
	return append([]field{
		long(tagWidth, 2), long(tagHeight, 1), short(tagBits, 8, 8, 8), short(tagCompression, 1), short(tagPhotometric, 2),
		long(tagStripOffsets, at), short(tagSamples, 3), long(tagStripCounts, 6),
	}, more...)
}

func TestReducedFirst(t *testing.T) {
	pixels := []byte{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}
	for name, c := range map[string]struct {
		data []byte
		want byte
		says string
	}{
		"one picture":             {build(pixels, rgb(8)), 1, ""},
		"reduced first":           {build(pixels, rgb(8, long(tagNewSubfileType, 1)), rgb(14)), 11, "the full one (2 x 1) is used"},
		"reduced first, old tag":  {build(pixels, rgb(8, short(tagSubfileType, 2)), rgb(14)), 11, "the full one"},
		"mask first":              {build(pixels, rgb(8, long(tagNewSubfileType, 4)), rgb(14)), 11, "the full one"},
		"reduced second":          {build(pixels, rgb(8), rgb(14, long(tagNewSubfileType, 1))), 1, ""},
		"two pages":               {build(pixels, rgb(8), rgb(14)), 1, "2 pages"},
		"nothing but a reduced":   {build(pixels, rgb(8, long(tagNewSubfileType, 1))), 1, "only picture"},
		"a second that is broken": {build(pixels, rgb(8), nil)[:8+12+2+12*8+4+6+20], 1, ""},
	} {
		m, err := Decode(t.Context(), c.data, noJPEG)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := strings.Join(m.Warnings, "; ")
		if m.Pix[0] != c.want || !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%s: first sample %d, want %d; warnings %q, want %q", name, m.Pix[0], c.want, got, c.says)
		}
	}
}

// with replaces the values of a tag, or adds it.
func with(fields []field, f field) []field {
	for i := range fields {
		if fields[i].tag == f.tag {
			fields[i] = f
			return fields
		}
	}
	return append(fields, f)
}

func TestRefused(t *testing.T) {
	pixels := make([]byte, 6)
	change := func(fields ...field) []byte {
		all := rgb(8)
		for _, f := range fields {
			all = with(all, f)
		}
		return build(pixels, all)
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"camera raw":       {change(short(tagPhotometric, colourFilterArray), short(tagSamples, 1)), "camera raw"},
		"DNG":              {change(long(tagDNGVersion, 1)), "camera raw"},
		"JPEG 2000":        {change(short(tagCompression, 34712)), "JPEG 2000 compression is not supported"},
		"WebP":             {change(short(tagCompression, 50001)), "WebP compression is not supported"},
		"unknown":          {change(short(tagCompression, 12345)), "compression 12345 is not supported"},
		"old JPEG":         {change(short(tagCompression, 6)), "old kind"},
		"signed":           {change(short(tagSampleFormat, 2, 2, 2)), "signed samples"},
		"complex":          {change(short(tagSampleFormat, 5)), "complex samples"},
		"24 bits":          {change(short(tagBits, 24, 24, 24)), "samples of 24 bits"},
		"mixed":            {change(short(tagBits, 5, 6, 5)), "different sizes"},
		"too few samples":  {change(short(tagSamples, 2)), "2 samples a pixel"},
		"too many samples": {change(short(tagSamples, 1000)), "1000 samples a pixel"},
		"other inks":       {change(short(tagPhotometric, 5), short(tagSamples, 4), short(tagInkSet, 2)), "inks other than"},
		"no size":          {change(long(tagWidth, 0)), "0 x 1 pixels"},
		"too few strips":   {change(long(tagHeight, 5), long(tagRowsPerStrip, 1)), "1 strips or tiles, the size takes 5"},
		"a huge tile":      {change(long(tagTileWidth, 1<<20), long(tagTileHeight, 16)), "tiles of 1048576 x 16"},
		"no palette":       {change(short(tagPhotometric, 3), short(tagSamples, 1), short(tagBits, 8)), "palette of 0 numbers"},
	} {
		_, err := Decode(t.Context(), c.data, noJPEG)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if _, err := Decode(t.Context(), change(long(tagStripOffsets, 1<<30)), noJPEG); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a strip behind the end: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// 16-bit L*a*b* in both codings: white, and a red whose sRGB value is 255, 0, 0 to two levels.
func TestLab16(t *testing.T) {
	le := binary.LittleEndian
	pixels := func(values ...uint16) (b []byte) {
		for _, v := range values {
			b = le.AppendUint16(b, v)
		}
		return b
	}
	a, b := int16(20685), int16(17894) // 80.8 and 69.9
	for _, c := range []struct {
		name   string
		colour uint32
		data   []byte
	}{
		{"CIE", colourLab, pixels(65535, 0, 0, 35585, uint16(a), uint16(b))},
		{"ICC", colourICCLab, pixels(65280, 32768, 32768, 35447, uint16(32768+int(a)), uint16(32768+int(b)))},
	} {
		fields := with(with(rgb(8), short(tagBits, 16, 16, 16)), short(tagPhotometric, c.colour))
		m, err := Decode(t.Context(), build(c.data, with(fields, long(tagStripCounts, 12))), noJPEG)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for i, want := range []int{255, 255, 255, 255, 0, 0} {
			if got := int(m.Pix[i]); got < want-2 || got > want+2 {
				t.Errorf("%s: sample %d is %d, want %d", c.name, i, got, want)
			}
		}
	}
}

func TestHalf(t *testing.T) {
	for v, want := range map[uint16]float64{0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 1.0 / (1 << 24), 0x3555: 0.333251953125} {
		if got := half(v); got != want {
			t.Errorf("%#04x is %v, want %v", v, got, want)
		}
	}
}

// Thousands of strips that are each as long as the file are refused before they take their time.
func TestOverlappingStrips(t *testing.T) {
	const rows = 3000
	offsets, counts := make([]uint32, rows), make([]uint32, rows)
	for i := range offsets {
		offsets[i], counts[i] = 8, 1<<20
	}
	fields := with(with(rgb(8), long(tagHeight, rows)), long(tagStripOffsets, offsets...))
	fields = with(with(fields, long(tagStripCounts, counts...)), long(tagRowsPerStrip, 1))
	pixels := make([]byte, 1<<20)
	if _, err := Decode(t.Context(), build(pixels, with(fields, short(tagFillOrder, 2))), noJPEG); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("reversed bits: %v, want %q", err, "overlap")
	}
	if _, err := Decode(t.Context(), build(pixels, with(fields, short(tagCompression, 7))), noJPEG); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("JPEG: %v, want %q", err, "overlap")
	}
}
