package copymove

import (
	"context"
	"math/bits"
	"math/rand/v2"

	"github.com/declip/declip/internal/parallel"
)

const (
	gridStep     = 2    // pixels between the places that are matched
	codeReach    = 5    // radius of the pattern in pixels
	plainest     = 12.0 // levels squared: places with less variance are not matched
	tables       = 3    // hash tables, over different bits of the codes
	keyBits      = 20   // bits of a code that are the key of a table
	longestChain = 24   // places of a table that one is compared with
	mostDiffer   = 11   // differing outcomes of 64 at most
	leastShift   = 14   // pixels, in one direction or the other
	leastPiece   = 10   // places with the same shift
	mostPieces   = 30   // of a picture
)

// shiftPattern is the pairs of pixels that a code of shifts compares.
var shiftPattern = func() (pairs [64][4]int) {
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func() int { return rng.IntN(2*codeReach+1) - codeReach }
	for i := range pairs {
		for {
			p := [4]int{draw(), draw(), draw(), draw()}
			if dx, dy := p[0]-p[2], p[1]-p[3]; dx*dx+dy*dy >= 9 {
				pairs[i] = p
				break
			}
		}
	}
	return pairs
}()

// shiftSearch looks for pieces of the picture that appear again elsewhere, neither turned nor
// scaled: what cloning and filling by example leave. Each pixel with some texture around it has a
// code, the outcomes of comparisons in its surroundings. Hash tables over some of the code's bits
// propose for places of a grid where the same surroundings appear again, and each place tries the
// shifts of its neighbours, as in PatchMatch (Barnes, Shechtman, Finkelstein and Goldman, 2009).
type shiftSearch struct {
	w, h   int
	codes  []uint64 // for each pixel
	busy   []bool   // pixels with enough variance
	gw, gh int      // size of the grid of places
	to     []int32  // for each place the pixel that is most like it, or -1
	off    []uint8  // number of outcomes in which both differ
}

// pieces finds pieces, the largest first.
func (s *search) pieces(ctx context.Context) ([]piece, error) {
	parallel.Point("pieces")
	f := &shiftSearch{w: s.w, h: s.h, gw: s.w / gridStep, gh: s.h / gridStep}
	f.to, f.off = make([]int32, f.gw*f.gh), make([]uint8, f.gw*f.gh)
	for i := range f.to {
		f.to[i], f.off[i] = -1, mostDiffer+1
	}
	if err := f.encode(ctx, s.smooth); err != nil {
		return nil, err
	}
	for t := range tables {
		if err := f.lookUp(ctx, t); err != nil {
			return nil, err
		}
	}
	for _, step := range []int{1, -1, 1, -1} {
		if err := f.askNeighbours(ctx, step); err != nil {
			return nil, err
		}
	}
	return distinct(f.collect()), nil
}

// encode computes the codes.
func (f *shiftSearch) encode(ctx context.Context, p plane) error {
	f.codes, f.busy = make([]uint64, p.w*p.h), make([]bool, p.w*p.h)
	var offsets [64][2]int
	for k, c := range shiftPattern {
		offsets[k] = [2]int{c[1]*p.w + c[0], c[3]*p.w + c[2]}
	}
	variance := p.variance(codeReach)
	levels := make([]int32, len(p.pix)) // in sixteenths
	for i, v := range p.pix {
		levels[i] = int32(16 * v)
	}
	for y := codeReach; y < p.h-codeReach; y++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		for x := codeReach; x < p.w-codeReach; x++ {
			i := y*p.w + x
			if variance.pix[i] < plainest {
				continue
			}
			f.busy[i] = true
			var c uint64
			for _, o := range offsets {
				// The sign of the difference, without a branch: half of them would be mispredicted.
				c = c<<1 | uint64(uint32(levels[i+o[0]]-levels[i+o[1]])>>31)
			}
			f.codes[i] = c
		}
	}
	return nil
}

// lookUp compares the places with those in the same slot of a hash table.
func (f *shiftSearch) lookUp(ctx context.Context, table int) error {
	key := func(c uint64) uint32 { return uint32(c >> (table * keyBits) & (1<<keyBits - 1)) }
	first, next := make([]int32, 1<<keyBits), make([]int32, len(f.codes))
	for i := range first {
		first[i] = -1
	}
	for i, c := range f.codes {
		if f.busy[i] {
			k := key(c)
			next[i], first[k] = first[k], int32(i)
		}
	}
	for gy := range f.gh {
		if err := ctx.Err(); err != nil {
			return err
		}
		for gx := range f.gw {
			i, n := gy*gridStep*f.w+gx*gridStep, 0
			if !f.busy[i] {
				continue
			}
			for j := first[key(f.codes[i])]; j >= 0 && n < longestChain; j = next[j] {
				f.offer(gy*f.gw+gx, i, int(j))
				n++
			}
		}
	}
	return nil
}

// offer takes pixel j as the one that is most like place g, at pixel i, if it is.
func (f *shiftSearch) offer(g, i, j int) {
	d := uint8(bits.OnesCount64(f.codes[i] ^ f.codes[j]))
	if d >= f.off[g] {
		return
	}
	dx, dy := j%f.w-i%f.w, j/f.w-i/f.w
	if max(dx, -dx, dy, -dy) >= leastShift {
		f.to[g], f.off[g] = int32(j), d
	}
}

// askNeighbours offers each place the shifts of its neighbours, from the start (step 1) or from the
// end on (-1).
func (f *shiftSearch) askNeighbours(ctx context.Context, step int) error {
	for k := range f.gh {
		if err := ctx.Err(); err != nil {
			return err
		}
		for l := range f.gw {
			gx, gy := l, k
			if step < 0 {
				gx, gy = f.gw-1-l, f.gh-1-k
			}
			f.askNeighbour(gx, gy, gx-step, gy)
			f.askNeighbour(gx, gy, gx, gy-step)
		}
	}
	return nil
}

// askNeighbour offers a place the shift of another one.
func (f *shiftSearch) askNeighbour(gx, gy, nx, ny int) {
	i, n := (gy*f.w+gx)*gridStep, ny*f.gw+nx
	if !f.busy[i] || nx < 0 || ny < 0 || nx >= f.gw || ny >= f.gh || f.to[n] < 0 {
		return
	}
	by := f.shift(n)
	x, y := gx*gridStep+by.dx, gy*gridStep+by.dy
	if x < 0 || y < 0 || x >= f.w || y >= f.h || !f.busy[y*f.w+x] {
		return
	}
	f.offer(gy*f.gw+gx, i, y*f.w+x)
}

// shift is from a place to the pixel that is most like it; there must be one.
func (f *shiftSearch) shift(g int) shift {
	j := int(f.to[g])
	return shift{j%f.w - g%f.gw*gridStep, j/f.w - g/f.gw*gridStep}
}

// shift is a distance in pixels.
type shift struct{ dx, dy int }

// like reports whether two shifts are the same, up to a pixel.
func (s shift) like(o shift) bool {
	return max(s.dx-o.dx, o.dx-s.dx, s.dy-o.dy, o.dy-s.dy) <= 1
}
