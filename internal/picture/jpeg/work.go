package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrWork is in errors about files whose scans would take much longer to decode than their number
// of pixels suggests.
var ErrWork = errors.New("too much work to decode")

// checkBlocks is the number of blocks between two looks at the context. They take about a
// millisecond.
const checkBlocks = 1 << 14

// Work is counted in blocks, each as often as a scan is about it. A block of a scan takes up to 60
// ns, so that freeWork takes a second. Progressive encoders make 6 scans of each component on
// average, and none is known to make more than 20.
const (
	freeWork     = 16_000_000 // that any file may take
	workPerBlock = 24         // that a file may take in addition, for each of its blocks
	streamWork   = 16         // that the header of a part counts as
)

// Budget is what streams that are parts of one picture may take in addition to workPerBlock. The
// zero value is a full one. It is not safe for concurrent use.
type Budget struct{ used int64 }

// maxWork is the number of blocks that all scans may have together.
func (d *decoder) maxWork() int64 {
	blocks := int64(0)
	for i := range d.components {
		blocks += d.componentBlocks(i)
	}
	free := int64(freeWork)
	if d.budget != nil {
		free -= d.budget.used
	}
	return max(free, 0) + workPerBlock*blocks
}

// settle takes what the stream has cost from the budget of all parts.
func (d *decoder) settle() {
	if d.budget == nil {
		return
	}
	blocks := int64(0)
	for i := range d.components {
		blocks += d.componentBlocks(i)
	}
	d.budget.used += max(d.work-workPerBlock*blocks, 0) + streamWork
}

// componentBlocks is the number of blocks of a component, without padding.
func (d *decoder) componentBlocks(i int) int64 {
	c := &d.components[i]
	wide, high := ceil(d.picture.Width*c.h, 8*d.maxH), ceil(d.picture.Height*c.v, 8*d.maxV)
	return int64(wide) * int64(high)
}

// scanBlocks is the number of blocks of a scan with header b. It does not check the header.
func (d *decoder) scanBlocks(b []byte) (n int64) {
	if len(b) < 1 || len(b) < 1+2*int(b[0]) {
		return 0
	}
	for k := range int(b[0]) {
		for i := range d.components {
			if d.components[i].id == b[1+2*k] {
				n += d.componentBlocks(i)
			}
		}
	}
	return n
}

// spend counts work, and returns an error if it is too much.
func (d *decoder) spend(blocks int64) error {
	d.work += blocks
	if d.work > d.maxWork() {
		return fmt.Errorf("%w: %d scans or more of a picture of %d x %d pixels", ErrWork, d.scans, d.picture.Width, d.picture.Height)
	}
	return nil
}

// checkWork adds up the work of all scans of a progressive file by their headers, before anything
// is decoded. The end of other files is not known without decoding: they are decoded until each
// component has had a scan, and what follows may be other pictures.
func (d *decoder) checkWork() error {
	if !d.progressive {
		return nil
	}
	probe := decoder{data: d.data, at: d.at, picture: d.picture, components: d.components, maxH: d.maxH, maxV: d.maxV, budget: d.budget}
	for {
		marker, err := probe.nextMarker()
		if err != nil || marker == markEOI {
			return nil //nolint:nilerr // decoding finds what is wrong
		}
		if marker >= markRST0 && marker <= markSOI || marker == markTEM {
			continue
		}
		rest := probe.data[probe.at:]
		if len(rest) < 2 {
			return nil
		}
		size := int(binary.BigEndian.Uint16(rest))
		if size < 2 || size > len(rest) {
			return nil
		}
		probe.at += size
		if marker != markSOS {
			continue
		}
		probe.scans++
		if err := probe.spend(probe.scanBlocks(rest[2:size])); err != nil {
			return err
		}
	}
}
