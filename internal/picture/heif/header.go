package heif

import (
	"errors"
	"fmt"
	"math"
)

// header is what the properties of the primary picture say.
type header struct {
	width, height int // with the transformations applied
	stored        [2]int
	size          []byte     // the body of the box "ispe"
	transforms    []property // irot, imir and clap, in order
	matrix        int        // of YCbCr (ITU-T H.273), 0 if not given
	fullRange     bool
	ranged        bool // the file says whether the range is full
}

// maxTransforms is the largest number of transformations of a picture. MIAF (ISO/IEC 23000-22)
// allows one of each kind; each copies the picture.
const maxTransforms = 6

// ReadSize reads the size in pixels after rotation and cropping. It also begins to compile the
// decoder in the background, as the pixels are usually asked for next.
func ReadSize(data []byte) (width, height int, err error) {
	h, err := readHeader(data)
	if err == nil {
		moduleOf(data).Prepare()
	}
	return h.width, h.height, err
}

// readHeader reads the properties of the primary picture.
func readHeader(data []byte) (header, error) {
	meta, err := metaBox(data)
	if err != nil {
		return header{}, err
	}
	primary, err := primaryItem(meta)
	if err != nil {
		return header{}, err
	}
	return headerOf(data, primary)
}

// headerOf reads the properties of an item.
func headerOf(data []byte, item uint32) (header, error) {
	h := header{}
	all, err := properties(data, item)
	if err != nil {
		return h, err
	}
	for _, p := range all {
		f := fields{b: p.body}
		switch p.kind {
		case "ispe":
			f.uint(4)
			w, v := f.uint(4), f.uint(4)
			if f.short || w < 1 || v < 1 || w > math.MaxInt32 || v > math.MaxInt32 {
				return h, fmt.Errorf("a size of %d x %d pixels", w, v)
			}
			h.width, h.height = int(w), int(v)
			h.stored, h.size = [2]int{h.width, h.height}, p.body
		case "irot", "imir", "clap":
			if h.transforms = append(h.transforms, p); len(h.transforms) > maxTransforms {
				return h, fmt.Errorf("more than %d rotations, mirrorings and croppings", maxTransforms)
			}
		case "colr":
			h.readColour(p.body)
		}
	}
	if h.width == 0 {
		return h, errors.New("the primary picture has no size")
	}
	for _, p := range h.transforms {
		if err := h.transform(p); err != nil {
			return h, err
		}
	}
	return h, nil
}

// transform changes the size.
func (h *header) transform(p property) error {
	switch p.kind {
	case "irot":
		if len(p.body) > 0 && p.body[0]&1 != 0 {
			h.width, h.height = h.height, h.width
		}
	case "clap":
		f := fields{b: p.body}
		wn, wd, hn, hd := f.uint(4), f.uint(4), f.uint(4), f.uint(4)
		if f.short || wd == 0 || hd == 0 {
			return errors.New("damaged cropping")
		}
		w, v := int(wn/wd), int(hn/hd)
		if w < 1 || v < 1 || w > h.width || v > h.height {
			return fmt.Errorf("cropped to %d x %d of %d x %d pixels", w, v, h.width, h.height)
		}
		h.width, h.height = w, v
	}
	return nil
}

func (h *header) readColour(b []byte) {
	if len(b) < 11 || string(b[:4]) != "nclx" {
		return
	}
	h.matrix, h.fullRange, h.ranged = int(b[8])<<8|int(b[9]), b[10]&0x80 != 0, true
}
