package tile

import "fmt"

// Options say how a picture is cut into tiles. The zero value of a field means its default.
type Options struct {
	// Size is the largest side of a tile, Overlap the width that two neighbours share; both in pixels.
	// Defaults: 512 and 64.
	Size, Overlap int
	// Align is what the origin of every tile is a multiple of, in pixels.
	// The default 8 keeps the phase of JPEG's 8x8 block grid, which the networks use.
	Align int
	// PhaseX and PhaseY move those origins: tiles begin at PhaseX, PhaseX+Align, ...; the first begins
	// up to Align-1 pixels before the picture, which is continued by its mirror image. Both in [0,
	// Align).
	PhaseX, PhaseY int
	// Granule is what the sides of a tile are rounded up to, in pixels, so
	// that pictures of similar size share one shape (and one session).
	// Default: 32 where it divides Size and is a multiple of Align, else Align.
	Granule int
	// Workers is the number of tiles that are run at once. Default: 1.
	Workers int
	// Mean and Std normalise a channel: (value/255 - mean) / std. A zero Std
	// means 1.
	Mean, Std [3]float32
	// Progress, if set, is called after each tile, in order, with the number of tiles done and their
	// total. It has to return at once: the other workers wait for it.
	Progress func(done, total int)
}

// withDefaults fills the fields left at zero and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Size == 0 {
		o.Size = 512
	}
	if o.Overlap == 0 {
		o.Overlap = 64
	}
	if o.Align == 0 {
		o.Align = 8
	}
	if o.Granule == 0 {
		o.Granule = o.Align
		if o.Size%32 == 0 && 32%o.Align == 0 {
			o.Granule = 32
		}
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	for c, s := range o.Std {
		if s == 0 {
			o.Std[c] = 1
		}
	}
	switch {
	case o.Size < 0 || o.Overlap < 0 || o.Align < 0 || o.Granule < 0 || o.Workers < 0:
		return o, fmt.Errorf("tile: negative option in size %d, overlap %d, align %d, granule %d, workers %d",
			o.Size, o.Overlap, o.Align, o.Granule, o.Workers)
	case o.PhaseX < 0 || o.PhaseX >= o.Align || o.PhaseY < 0 || o.PhaseY >= o.Align:
		return o, fmt.Errorf("tile: phase %d,%d is outside [0,%d)", o.PhaseX, o.PhaseY, o.Align)
	case o.Granule%o.Align != 0:
		return o, fmt.Errorf("tile: granule %d is not a multiple of align %d", o.Granule, o.Align)
	case o.Size%o.Granule != 0:
		return o, fmt.Errorf("tile: size %d is not a multiple of granule %d", o.Size, o.Granule)
	case o.Overlap+o.Align >= o.Size:
		return o, fmt.Errorf("tile: overlap %d leaves no room in tiles of %d pixels", o.Overlap, o.Size)
	}
	return o, nil
}

// axis is one side of a picture cut into spans of equal length.
type axis struct {
	length  int   // of one span, in pixels
	origins []int // multiples of Align from the first span's beginning, ascending; the first is 0
	lead    int   // pixels by which the first span begins before the picture
}

// place splits n pixels into spans whose beginnings have the given phase.
func (o Options) place(n, phase int) axis {
	lead := (o.Align - phase) % o.Align
	a := o.split(n + lead)
	a.lead = lead
	return a
}

// split cuts n pixels into as few spans as Size and Overlap allow, all of one
// length and spread evenly, to compute little twice.
func (o Options) split(n int) axis {
	if length := roundUp(n, o.Granule); length <= o.Size {
		return axis{length: length, origins: []int{0}}
	}
	padded := roundUp(n, o.Align)
	count := ceilDiv(padded-o.Overlap, o.Size-o.Overlap)
	length := min(o.Size, roundUp(ceilDiv(padded+(count-1)*o.Overlap, count), o.Granule))
	if count < 2 { // only when the granule is coarser than what is left over
		return axis{length: o.Size, origins: []int{0}}
	}
	a := axis{length: length, origins: make([]int, count)}
	for i := range a.origins {
		a.origins[i] = i * (padded - length) / (count - 1) / o.Align * o.Align
	}
	return a
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
func roundUp(a, b int) int { return ceilDiv(a, b) * b }
