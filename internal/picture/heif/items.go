package heif

// references returns the numbers of the items that an item is derived from (box "dimg"), in order,
// of 2 bytes each; errOtherGrid for larger ones.
func references(meta []byte, item uint32) ([]byte, error) {
	iref, err := find(meta, "iref")
	if err != nil {
		return nil, err
	}
	f := fields{b: iref}
	if f.uint(4)>>24 > 0 {
		return nil, errOtherGrid
	}
	for rest := f.b; len(rest) > 0; {
		x, after, err := next(rest)
		if err != nil {
			return nil, err
		}
		rest = after
		f := fields{b: x.body}
		if from := f.uint(2); x.kind != "dimg" || from != item {
			continue
		}
		if n := f.uint(2); f.short || len(f.b) != 2*int(n) || n == 0 {
			return nil, errOtherGrid
		}
		return f.b, nil
	}
	return nil, errOtherGrid
}

// itemData returns the data of an item that the box "idat" holds; errOtherGrid for others.
func itemData(meta []byte, item uint32) ([]byte, error) {
	iloc, err := find(meta, "iloc")
	if err != nil {
		return nil, err
	}
	idat, err := find(meta, "idat")
	if err != nil {
		return nil, errOtherGrid
	}
	f := fields{b: iloc}
	version := f.uint(4) >> 24
	sizes := f.uint(2)
	offsetSize, lengthSize, baseSize, indexSize := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	idSize := 2
	if version == 2 {
		idSize = 4
	}
	if version != 1 && version != 2 {
		return nil, errOtherGrid
	}
	for range f.uint(idSize) {
		id, method := f.uint(idSize), f.uint(2)&15
		f.uint(2)
		base := uint64(f.uint(baseSize))
		extents := f.uint(2)
		var at, n uint64
		for range extents {
			f.uint(indexSize)
			at, n = base+uint64(f.uint(offsetSize)), uint64(f.uint(lengthSize))
			if f.short {
				return nil, errOtherGrid
			}
		}
		if id != item {
			continue
		}
		if method != 1 || extents != 1 || at > uint64(len(idat)) || n > uint64(len(idat))-at {
			return nil, errOtherGrid
		}
		return idat[at : at+n], nil
	}
	return nil, errOtherGrid
}
