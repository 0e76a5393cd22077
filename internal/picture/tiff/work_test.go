package tiff

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// strips is a picture of one row a strip; all strips are the same bytes.
func strips(data []byte, width, rows, compression, bits uint32) []byte {
	offsets, counts := make([]uint32, rows), make([]uint32, rows)
	for i := range offsets {
		offsets[i], counts[i] = 8, uint32(len(data))
	}
	return build(data, []field{
		long(tagWidth, width), long(tagHeight, rows), short(tagBits, bits), short(tagCompression, compression), short(tagPhotometric, 1),
		long(tagStripOffsets, offsets...), short(tagSamples, 1), long(tagRowsPerStrip, 1), long(tagStripCounts, counts...),
	})
}

// Compressed data may be long and hold no pixel: empty blocks, and codes that do nothing. Strips
// that share such data took the time of the data for each strip: 90 ms for each KB of the file.
func TestStripsThatShareEmptyData(t *testing.T) {
	const n = 1 << 20
	zeros := make([]byte, 3*(n/3))
	deflate := slices.Concat([]byte{0x78, 1}, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, n/5), []byte{0, 2, 0, 0xfd, 0xff, 7, 7})
	clears := bytes.Repeat([]byte{0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x00}, n/9)
	for name, c := range map[string]struct {
		data              []byte
		compression, bits uint32
	}{
		"deflate":  {deflate, compressionDeflate, 8},
		"zstd":     {slices.Concat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}, zeros, []byte{0x11, 0, 0, 7, 7}), compressionZstd, 8},
		"LZW":      {slices.Concat(clears, zeros[:9]), compressionLZW, 8},
		"PackBits": {append(bytes.Repeat([]byte{0x80}, n), 0, 1, 0, 1), compressionPackBits, 8},
		"fax":      {slices.Concat(zeros, []byte{0x01, 0x70}), faxGroup3, 1},
	} {
		start := time.Now()
		_, err := Decode(t.Context(), strips(c.data, 2, 4000, c.compression, c.bits), noJPEG)
		t.Logf("%s: %v (%v)", name, err, time.Since(start))
		if !errors.Is(err, ErrWork) {
			t.Errorf("%s: error %v, expected ErrWork", name, err)
		}
	}
}

// The end of a strip without a length is where the next one begins. Looking at all strips for each
// took time by the square of their number: 11 s for this file.
func TestManyStripsWithoutLengths(t *testing.T) {
	const rows = 150_000
	offsets := make([]uint32, rows)
	for i := range offsets {
		offsets[i] = uint32(8 + 2*((i*7)%rows))
	}
	data := build(make([]byte, 2*rows), []field{
		long(tagWidth, 2), long(tagHeight, rows), short(tagBits, 8), short(tagCompression, 1), short(tagPhotometric, 1),
		long(tagStripOffsets, offsets...), short(tagSamples, 1), long(tagRowsPerStrip, 1),
	})
	start := time.Now()
	if _, err := Decode(t.Context(), data, noJPEG); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%d strips took %v", rows, took)
	}
}

// Tags of all pages may have the same long value. Reading the first number of each read all of it.
func TestPagesThatShareAValue(t *testing.T) {
	const n = 1 << 19
	values := build(make([]byte, 4*n))
	page := []field{long(tagWidth, 2), long(tagHeight, 1), long(tagNewSubfileType, 0), long(tagSubfileType, 0), long(tagPhotometric, 1), long(tagSubDirectories, 0)}
	var pages [][]field
	for range maxDirectories - 1 {
		pages = append(pages, page)
	}
	data := build(values[8:], pages...)
	for at := 4 * n; at+12 <= len(data); at++ { // let the last four tags refer to the values
		tag := uint16(data[at]) | uint16(data[at+1])<<8
		if data[at+2] == kindLong && data[at+3] == 0 && tag >= tagNewSubfileType && tag <= tagSubDirectories && tag != tagWidth && tag != tagHeight {
			copy(data[at+4:at+12], []byte{byte(n & 0xff), byte(n >> 8 & 0xff), byte(n >> 16), 0, 8, 0, 0, 0})
			at += 11
		}
	}
	start := time.Now()
	_, err := ReadHeader(data)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the header of %d pages took %v (%v)", len(pages), took, err)
	}
}

// Rows may be a thousand times as long as their code, and as their part that is in the picture.
func TestRowsOfTooManyBytes(t *testing.T) {
	fields := []field{
		long(tagWidth, 1), long(tagHeight, 100_000_000), short(tagBits, 8), short(tagCompression, compressionDeflate), short(tagPhotometric, 1),
		long(tagTileWidth, 1<<16), long(tagTileHeight, 1<<16), long(tagTileOffsets, make([]uint32, 1526)...), short(tagSamples, 1),
	}
	if _, err := Decode(t.Context(), build(nil, fields), noJPEG); !errors.Is(err, ErrWork) {
		t.Errorf("error %v, expected ErrWork", err)
	}
}
