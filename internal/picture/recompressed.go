package picture

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// recompressor is a service or program that compresses pictures again and signs its files.
type recompressor struct{ name, sign string }

// recompressed is a sentence about who compressed a JPEG picture again, as its header says, empty
// if it says nothing. Such a file has lost most traces of earlier changes. Headers are easily
// removed and forged, so files without a sign may have lost them too.
func (h header) recompressed() string {
	if h.jpeg == nil {
		return ""
	}
	r, known := recompressorOf(string(h.jpeg.Comment()), instructions(h.jpeg.Resources()), software(h.jpeg.EXIF()))
	if !known {
		return ""
	}
	return r.name + " compressed this file again (" + r.sign + "), so most traces of earlier changes are gone"
}

// recompressorOf knows the signs of services and programs: libgd (gd_jpeg.c), FFmpeg (mjpegenc.c)
// and eBay write their names into a comment; Facebook and Instagram begin IPTC's special
// instructions with FBMD; Google's photo services named Picasa in EXIF.
func recompressorOf(comment, instructions, software string) (r recompressor, known bool) {
	switch {
	case strings.HasPrefix(instructions, "FBMD"):
		return recompressor{"Facebook or Instagram", "IPTC instructions begin with FBMD"}, true
	case strings.HasPrefix(comment, "CREATOR: gd-jpeg"):
		return recompressor{"a website's GD library", "comment begins with CREATOR: gd-jpeg"}, true
	case strings.HasPrefix(comment, "Processed By eBay"):
		return recompressor{"eBay", "comment begins with Processed By eBay"}, true
	case strings.HasPrefix(comment, "Lavc"):
		return recompressor{"FFmpeg", "comment begins with Lavc: a frame of a video, or converted"}, true
	case software == "Picasa":
		return recompressor{"Google", "EXIF names Picasa as software"}, true
	}
	return recompressor{}, false
}

// software is the program that EXIF names, empty if it names none.
func software(exif []byte) string {
	const tag, ascii = 305, 2
	e, order := tiffEntry(exif, tag)
	if e == nil || order.Uint16(e[2:]) != ascii {
		return ""
	}
	size, at := int64(order.Uint32(e[4:])), int64(order.Uint32(e[8:]))
	if size <= 4 {
		return text(e[8 : 8+size])
	}
	if at+size > int64(len(exif)) {
		return ""
	}
	return text(exif[at : at+size])
}

// text is the text before the first zero byte.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// instructions returns IPTC's special instructions (data set 2:40 of IIM 4.2) from Photoshop's
// image resources, and an empty string for a file without them.
func instructions(resources []byte) string {
	const start, iptc, head = "8BIM", 0x0404, 4 + 2
	for len(resources) > head && string(resources[:4]) == start {
		id := binary.BigEndian.Uint16(resources[4:])
		name := (int(resources[head]) + 2) &^ 1 // with its length, to an even number
		if len(resources) < head+name+4 {
			return ""
		}
		size := int64(binary.BigEndian.Uint32(resources[head+name:]))
		resources = resources[head+name+4:]
		if size > int64(len(resources)) {
			return ""
		}
		if id == iptc {
			return dataSet(resources[:size], 2, 40)
		}
		resources = resources[min(size+size%2, int64(len(resources))):]
	}
	return ""
}

// dataSet is the first data set of the given number in IPTC's records, empty if there is none.
// Extended ones, of 32768 bytes or more, end the search.
func dataSet(records []byte, record, number byte) string {
	const mark, head = 0x1c, 5
	for len(records) >= head && records[0] == mark {
		size := int(binary.BigEndian.Uint16(records[3:]))
		if size > len(records)-head {
			return ""
		}
		if records[1] == record && records[2] == number {
			return string(records[head : head+size])
		}
		records = records[head+size:]
	}
	return ""
}
