package tiff

import (
	"errors"
	"fmt"

	"github.com/declip/declip/internal/picture/raster"
)

// ErrCameraRaw is in errors about files of cameras' sensors, which have no finished picture.
var ErrCameraRaw = errors.New("a camera raw file, which holds sensor data and only a reduced preview; export it as JPEG or TIFF")

// maxDirectories is the most pages and sub-directories that are looked at.
const maxDirectories = 500

// Photometric interpretations.
const (
	whiteIsZero, blackIsZero = 0, 1
	colourRGB, colourPalette = 2, 3
	colourMask, colourInk    = 4, 5
	colourYCbCr, colourLab   = 6, 8
	colourICCLab             = 9
	colourFilterArray        = 32803
	colourLinearRaw          = 34892
)

// Bits of the NewSubfileType tag.
const (
	subfileReduced = 1
	subfileMask    = 4
)

// directories returns the file's pages and, after them, the sub-directories that pages point to.
func (f *file) directories(first int64) (pages, nested []*directory, err error) {
	seen := map[int64]bool{}
	for at := first; at != 0 && !seen[at] && len(pages) < maxDirectories; {
		seen[at] = true
		d, err := f.directory(at)
		if err != nil {
			if len(pages) == 0 {
				return nil, nil, err
			}
			break // a damaged later page does not matter
		}
		pages = append(pages, d)
		at = d.next
	}
	if len(pages) == 0 {
		return nil, nil, errors.New("the file has no directory")
	}
	for _, p := range pages {
		offsets, _ := p.uints(tagSubDirectories, maxDirectories) // damaged ones hold no picture
		for _, at := range offsets {
			if at := offset64(at); !seen[at] && len(seen) < maxDirectories {
				seen[at] = true
				if d, err := f.directory(at); err == nil {
					nested = append(nested, d)
				}
			}
		}
	}
	return pages, nested, nil
}

// is tells whether a directory's number is the given one.
func (d *directory) is(tag uint16, value uint64) bool {
	v, err := d.uints(tag, 1)
	return err == nil && len(v) > 0 && v[0] == value
}

// full tells whether a directory is a picture of its own, not a reduced one or the mask of another.
func (d *directory) full() bool {
	kind, err := d.uint(tagNewSubfileType, 0)
	const oldReduced = 2
	return err == nil && kind&(subfileReduced|subfileMask) == 0 && !d.is(tagSubfileType, oldReduced) && d.entries[tagWidth].count > 0
}

// size describes a directory's size in pixels.
func (d *directory) size() string {
	w, _ := d.uint(tagWidth, 0)
	h, _ := d.uint(tagHeight, 0)
	return fmt.Sprintf("%d x %d", w, h)
}

// cameraRaw tells whether the file holds the data of a camera's sensor.
func (f *file) cameraRaw(all []*directory) bool {
	if len(f.data) >= 10 && string(f.data[8:10]) == "CR" { // Canon CR2
		return true
	}
	for _, d := range all {
		if d.entries[tagDNGVersion].count > 0 || d.is(tagPhotometric, colourFilterArray) || d.is(tagPhotometric, colourLinearRaw) {
			return true
		}
	}
	return false
}

// choose finds the directory of the file's first full picture.
func choose(data []byte) (*directory, raster.Warnings, error) {
	f, first, err := open(data)
	if err != nil {
		return nil, nil, err
	}
	pages, nested, err := f.directories(first)
	if err != nil {
		return nil, nil, err
	}
	all := append(pages[:len(pages):len(pages)], nested...)
	if f.cameraRaw(all) {
		return nil, nil, ErrCameraRaw
	}
	var w raster.Warnings
	count := 0
	for _, p := range pages {
		if p.full() {
			count++
		}
	}
	if count > 1 {
		w.Warn("the file has %d pages or more, of which the first is used", count)
	}
	for _, d := range all {
		if d.full() {
			if d != pages[0] {
				w.Warn("the file's first picture is a reduced one (%s pixels); the full one (%s) is used", pages[0].size(), d.size())
			}
			return d, w, nil
		}
	}
	if pages[0].entries[tagWidth].count > 0 {
		w.Warn("the file marks its only picture as a reduced copy of another")
	}
	return pages[0], w, nil
}
