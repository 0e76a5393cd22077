package heif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// box is a box of the ISO base media format (ISO/IEC 14496-12).
type box struct {
	kind string
	body []byte
}

// next splits off the first box.
func next(b []byte) (box, []byte, error) {
	if len(b) < 8 {
		return box{}, nil, io.ErrUnexpectedEOF
	}
	size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
	switch size {
	case 0: // up to the end
		size = uint64(len(b))
	case 1:
		if len(b) < 16 {
			return box{}, nil, io.ErrUnexpectedEOF
		}
		size, head = binary.BigEndian.Uint64(b[8:]), 16
	}
	if size < head {
		return box{}, nil, fmt.Errorf("box %q of %d bytes", b[4:8], size)
	}
	if size > uint64(len(b)) {
		return box{}, nil, io.ErrUnexpectedEOF
	}
	return box{string(b[4:8]), b[head:size]}, b[size:], nil
}

// find returns the body of the first box of a kind.
func find(b []byte, kind string) ([]byte, error) {
	for len(b) > 0 {
		x, rest, err := next(b)
		if err != nil {
			return nil, err
		}
		if x.kind == kind {
			return x.body, nil
		}
		b = rest
	}
	return nil, fmt.Errorf("no box %q", kind)
}

// property is an item property of the primary picture.
type property = box

// fields reads numbers one after the other; what is missing is 0 and sets short.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) uint(size int) uint32 {
	if len(f.b) < size {
		f.b, f.short = nil, true
		return 0
	}
	v := uint32(0)
	for _, c := range f.b[:size] {
		v = v<<8 | uint32(c)
	}
	f.b = f.b[size:]
	return v
}

// Kind tells what a file is by its first box: "heic", "avif", or "" for others.
func Kind(data []byte) string {
	if len(data) < 16 || string(data[4:8]) != "ftyp" {
		return ""
	}
	size := min(int(binary.BigEndian.Uint32(data)), len(data), 4096)
	heic := false
	for at := 8; at+4 <= size; at += 4 {
		if at == 12 {
			continue // the minor version
		}
		switch string(data[at : at+4]) {
		case "avif", "avis":
			return "avif"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			heic = true
		}
	}
	if heic {
		return "heic"
	}
	return ""
}

// metaBox returns the boxes in the box "meta".
func metaBox(data []byte) ([]byte, error) {
	meta, err := find(data, "meta")
	if err != nil {
		return nil, err
	}
	if len(meta) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	return meta[4:], nil
}

// propertyBox returns the box "iprp".
func propertyBox(data []byte) ([]byte, error) {
	meta, err := metaBox(data)
	if err != nil {
		return nil, err
	}
	return find(meta, "iprp")
}

// allProperties returns the properties of all items.
func allProperties(data []byte) ([]property, error) {
	iprp, err := propertyBox(data)
	if err != nil {
		return nil, err
	}
	ipco, err := find(iprp, "ipco")
	if err != nil {
		return nil, err
	}
	var all []property
	for len(ipco) > 0 {
		x, rest, err := next(ipco)
		if err != nil {
			return nil, err
		}
		all, ipco = append(all, x), rest
	}
	return all, nil
}

// properties returns the properties of an item, in the order in which they apply.
func properties(data []byte, item uint32) ([]property, error) {
	all, err := allProperties(data)
	if err != nil {
		return nil, err
	}
	iprp, err := propertyBox(data)
	if err != nil {
		return nil, err
	}
	numbers, err := associations(iprp, item)
	if err != nil {
		return nil, err
	}
	var of []property
	for _, n := range numbers {
		if n >= 1 && n <= len(all) {
			of = append(of, all[n-1])
		}
	}
	return of, nil
}

func primaryItem(meta []byte) (uint32, error) {
	pitm, err := find(meta, "pitm")
	if err != nil {
		return 0, err
	}
	f := fields{b: pitm}
	version := f.uint(4) >> 24
	id := f.uint(2)
	if version > 0 {
		f = fields{b: pitm[min(4, len(pitm)):]}
		id = f.uint(4)
	}
	if f.short {
		return 0, io.ErrUnexpectedEOF
	}
	return id, nil
}

// associations returns the numbers, from 1, of an item's properties.
func associations(iprp []byte, item uint32) ([]int, error) {
	for len(iprp) > 0 {
		x, rest, err := next(iprp)
		if err != nil {
			return nil, err
		}
		iprp = rest
		if x.kind != "ipma" {
			continue
		}
		if numbers := associationsIn(x.body, item); numbers != nil {
			return numbers, nil
		}
	}
	return nil, errors.New("the primary picture has no properties")
}

func associationsIn(ipma []byte, item uint32) []int {
	f := fields{b: ipma}
	flags := f.uint(4)
	idSize, size := 2, 1
	if flags>>24 > 0 {
		idSize = 4
	}
	if flags&1 != 0 {
		size = 2
	}
	for range f.uint(4) {
		id := f.uint(idSize)
		var numbers []int
		for range f.uint(1) {
			v := f.uint(size)
			numbers = append(numbers, int(v&(1<<(8*size-1)-1))) // without the bit for essential ones
		}
		if f.short {
			return nil
		}
		if id == item {
			return numbers
		}
	}
	return nil
}
