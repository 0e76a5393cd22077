package picture

import (
	"bytes"
	"encoding/binary"
)

// orientation is the file's EXIF orientation, 1 to 8; 1 where it gives none or the metadata is
// damaged: metadata never makes a picture unreadable.
func (h header) orientation(data []byte) int {
	switch h.format {
	case "jpeg":
		return tiffOrientation(h.jpeg.EXIF())
	case "png":
		return tiffOrientation(pngEXIF(data))
	case "webp":
		return tiffOrientation(webpChunk(data, "EXIF"))
	case "tiff":
		return h.turned
	}
	return 1
}

// tiffOrientation looks up the orientation in a TIFF structure. Many writers put JPEG's prefix
// before it, where the specifications of PNG and WebP have the bare structure.
func tiffOrientation(t []byte) int {
	const tag = 274
	t = bytes.TrimPrefix(t, []byte("Exif\x00\x00"))
	if v := tiffShort(t, tag); v >= 1 && v <= 8 {
		return v
	}
	return 1
}

// tiffShort looks up a tag with one whole number of 16 bits, or of 32 as some writers have it, in
// the first directory of a TIFF structure; it is -1 if there is none. Sub-directories and values
// stored elsewhere are not read.
func tiffShort(t []byte, tag uint16) int {
	e, order := tiffEntry(t, tag)
	if e == nil || order.Uint32(e[4:]) != 1 {
		return -1
	}
	const short, long = 3, 4
	switch order.Uint16(e[2:]) {
	case short:
		return int(order.Uint16(e[8:]))
	case long:
		return int(order.Uint32(e[8:]))
	}
	return -1
}

// tiffBytes looks up a tag whose value is bytes in the first directory of a TIFF structure; nil if
// there is none.
func tiffBytes(t []byte, tag uint16) ([]byte, binary.ByteOrder) {
	e, order := tiffEntry(t, tag)
	if e == nil {
		return nil, nil
	}
	const undefined = 7
	size, at := int64(order.Uint32(e[4:])), int64(order.Uint32(e[8:]))
	// Up to four bytes would be in the entry itself.
	if order.Uint16(e[2:]) != undefined || size <= 4 || at+size > int64(len(t)) {
		return nil, nil
	}
	return t[at : at+size], order
}

// tiffEntry looks up the 12 bytes of a tag in the first directory of a TIFF structure, and the
// order of bytes; nil if there are none.
func tiffEntry(t []byte, tag uint16) ([]byte, binary.ByteOrder) {
	if len(t) < 8 {
		return nil, nil
	}
	var order binary.ByteOrder
	switch string(t[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return nil, nil
	}
	at := int64(order.Uint32(t[4:]))
	if at > int64(len(t))-2 {
		return nil, nil
	}
	count := int(order.Uint16(t[at:]))
	entries := t[at+2:]
	const size = 12
	for i := range min(count, len(entries)/size) {
		if e := entries[i*size:][:size]; order.Uint16(e) == tag {
			return e, order
		}
	}
	return nil, nil
}
