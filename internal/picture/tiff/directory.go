package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The tags that are read.
const (
	tagNewSubfileType  = 254
	tagSubfileType     = 255
	tagWidth           = 256
	tagHeight          = 257
	tagBits            = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamples         = 277
	tagRowsPerStrip    = 278
	tagStripCounts     = 279
	tagPlanar          = 284
	tagT4Options       = 292
	tagPredictor       = 317
	tagPalette         = 320
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileOffsets     = 324
	tagTileCounts      = 325
	tagSubDirectories  = 330
	tagInkSet          = 332
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
	tagJPEGStream      = 513
	tagJPEGLength      = 514
	tagYCbCrWeights    = 529
	tagYCbCrSampling   = 530
	tagReferenceBlacks = 532
	tagDNGVersion      = 50706
)

// file is a TIFF structure.
type file struct {
	data  []byte
	order binary.ByteOrder
	big   bool // BigTIFF: offsets of 64 bits
}

// entry is one tag of a directory.
type entry struct {
	kind  uint16
	count uint64
	at    int64 // of the value in the file
}

// directory is an image file directory: what the file says about one picture.
type directory struct {
	*file
	entries map[uint16]entry
	at      int64 // of the directory in the file
	next    int64 // offset of the next page's directory, 0 if there is none
}

// maxEntries is the most tags of a directory; files have about twenty.
const maxEntries = 1024

var errNoTIFF = errors.New("not a TIFF file")

// open reads the first bytes; it returns the offset of the first directory.
func open(data []byte) (*file, int64, error) {
	if len(data) < 8 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	f := &file{data: data}
	switch string(data[:2]) {
	case "II":
		f.order = binary.LittleEndian
	case "MM":
		f.order = binary.BigEndian
	default:
		return nil, 0, errNoTIFF
	}
	switch f.order.Uint16(data[2:]) {
	case 42:
		return f, int64(f.order.Uint32(data[4:])), nil
	case 43:
		if len(data) < 16 {
			return nil, 0, io.ErrUnexpectedEOF
		}
		if f.order.Uint16(data[4:]) != 8 || f.order.Uint16(data[6:]) != 0 {
			return nil, 0, errors.New("BigTIFF with offsets that are not of 8 bytes")
		}
		f.big = true
		return f, offset64(f.order.Uint64(data[8:])), nil
	}
	return nil, 0, errNoTIFF
}

// offset64 is an offset as an int64; what does not fit is after the end of every file.
func offset64(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

// bytes returns n bytes at an offset.
func (f *file) bytes(at int64, n uint64) ([]byte, error) {
	if at < 0 || at > int64(len(f.data)) || n > uint64(int64(len(f.data))-at) {
		return nil, io.ErrUnexpectedEOF
	}
	return f.data[at : at+int64(n)], nil
}

// directory reads the directory at an offset.
func (f *file) directory(at int64) (*directory, error) {
	countSize, entrySize, inline := uint64(2), uint64(12), uint64(4)
	if f.big {
		countSize, entrySize, inline = 8, 20, 8
	}
	b, err := f.bytes(at, countSize)
	if err != nil {
		return nil, fmt.Errorf("directory at byte %d: %w", at, err)
	}
	var count int64
	if f.big {
		count = f.offset(b)
	} else {
		count = int64(f.order.Uint16(b))
	}
	if count > maxEntries {
		return nil, fmt.Errorf("directory at byte %d has %d tags, at most %d are read", at, count, maxEntries)
	}
	first := at + int64(countSize)
	b, err = f.bytes(first, uint64(count)*entrySize)
	if err != nil {
		return nil, fmt.Errorf("directory at byte %d: %w", at, err)
	}
	d := &directory{file: f, entries: make(map[uint16]entry, count), at: at}
	for i := range count {
		e := b[uint64(i)*entrySize:]
		value := entry{kind: f.order.Uint16(e[2:]), count: uint64(f.offset(e[4:]))}
		where := entrySize - inline
		value.at = first + i*int64(entrySize) + int64(where)
		size := kindSize(value.kind)
		if size == 0 {
			value.count = 0
		} else {
			value.count = min(value.count, uint64(len(f.data))/size+1) // more is as much out of bounds
		}
		if value.count*size > inline {
			value.at = f.offset(e[where:])
		}
		if tag := f.order.Uint16(e); d.entries[tag].count == 0 { // the first of a tag counts
			d.entries[tag] = value
		}
	}
	// A file may end right behind its last directory.
	if b, err := f.bytes(first+count*int64(entrySize), inline); err == nil {
		d.next = f.offset(b)
	}
	return d, nil
}

// offset reads an offset or count.
func (f *file) offset(b []byte) int64 {
	if f.big {
		return offset64(f.order.Uint64(b))
	}
	return int64(f.order.Uint32(b))
}

// The types of values that are read.
const (
	kindByte, kindShort, kindLong, kindRational = 1, 3, 4, 5
	kindUndefined, kindIFD                      = 7, 13
	kindLong8, kindIFD8                         = 16, 18
)

// kindSize is the size of a value in bytes, 0 for types that are not read.
func kindSize(kind uint16) uint64 {
	switch kind {
	case kindByte, kindUndefined:
		return 1
	case kindShort:
		return 2
	case kindLong, kindIFD:
		return 4
	case kindRational, kindLong8, kindIFD8:
		return 8
	}
	return 0
}

// raw returns the bytes of a tag's value, nil if the tag is missing.
func (d *directory) raw(tag uint16) ([]byte, error) {
	e := d.entries[tag]
	if e.count == 0 {
		return nil, nil
	}
	b, err := d.bytes(e.at, e.count*kindSize(e.kind))
	if err != nil {
		return nil, fmt.Errorf("value of tag %d at byte %d: %w", tag, e.at, err)
	}
	return b, nil
}

// uints returns the whole numbers of a tag, at most the given number of them, nil if the tag is
// missing. All pages of a file may share one value that is as long as the file.
func (d *directory) uints(tag uint16, most int) ([]uint64, error) {
	b, err := d.raw(tag)
	if err != nil || b == nil {
		return nil, err
	}
	e := d.entries[tag]
	values := make([]uint64, min(e.count, uint64(most)))
	for i := range values {
		switch e.kind {
		case kindByte, kindUndefined:
			values[i] = uint64(b[i])
		case kindShort:
			values[i] = uint64(d.order.Uint16(b[2*i:]))
		case kindLong, kindIFD:
			values[i] = uint64(d.order.Uint32(b[4*i:]))
		case kindLong8, kindIFD8:
			values[i] = d.order.Uint64(b[8*i:])
		default:
			return nil, fmt.Errorf("tag %d has a value of type %d, expected a whole number", tag, e.kind)
		}
	}
	return values, nil
}

// uint returns the first number of a tag, or fallback if the tag is missing.
func (d *directory) uint(tag uint16, fallback uint64) (uint64, error) {
	v, err := d.uints(tag, 1)
	if err != nil || len(v) == 0 {
		return fallback, err
	}
	return v[0], nil
}

// rationals returns n fractions of a tag, or fallback if they are missing or have a denominator of
// 0.
func (d *directory) rationals(tag uint16, fallback ...float64) []float64 {
	b, err := d.raw(tag)
	if err != nil || d.entries[tag].kind != kindRational || len(b) < 8*len(fallback) {
		return fallback
	}
	values := make([]float64, len(fallback))
	for i := range values {
		below := d.order.Uint32(b[8*i+4:])
		if below == 0 {
			return fallback
		}
		values[i] = float64(d.order.Uint32(b[8*i:])) / float64(below)
	}
	return values
}
