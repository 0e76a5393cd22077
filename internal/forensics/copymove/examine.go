package copymove

import (
	"context"
	"math"
)

const (
	seedRadius  = 12   // pixels of its level around a match that take part in the first alignment
	leastWindow = 32   // pixels on a side of the window that is compared
	leastMargin = 48   // pixels around the matches that are searched, at least
	leastRough  = 48   // pixels that agree roughly: with fewer a candidate is dropped
	roughShare  = 0.45 // share of the votes above which a pixel agrees roughly
	roundsMore  = 3    // alignments after the first
	similarSize = 0.03 // logarithm of the scale up to which both directions look the same
)

// search is a picture's luma, filtered in the ways that the search for copies needs.
type search struct {
	w, h   int
	points []keypoint
	smooth plane // without the finest detail
	half   plane // smooth at half the size
	fine   plane // the finest detail
	band   plane // details of a few pixels, without illumination
	spread plane // variance of smooth around each pixel
	detail plane // logarithm of the strength of the finest detail
}

func newSearch(p plane) *search {
	s := &search{w: p.w, h: p.h, smooth: p.blurred(), detail: p.finest()}
	s.fine, s.band = p.less(s.smooth), s.smooth.less(s.smooth.blurred().blurred())
	s.half, s.spread = s.smooth.halved(), s.smooth.variance(spreadRadius)
	return s
}

// candidate is a transform on which matches agree.
type candidate struct {
	transform transform
	matches   []match
	piece     bool // the matches are a piece's places
}

// twin is an area of the picture to which a transform maps another one.
type twin struct {
	transform transform
	rough     area    // where both are alike at half the size
	area      area    // where they are equal
	score     float64 // logit of being a copy
}

// examine aligns a candidate and judges the area to which it maps. ok is false if that is hardly a
// copy.
func (s *search) examine(ctx context.Context, c candidate) (best twin, ok bool, err error) {
	fitting := c.transform.fitting(c.matches)
	win := around(fitting, s.w, s.h)
	if min(win.w, win.h) < leastWindow {
		return twin{}, false, nil
	}
	t := align(s.band, c.transform, s.seed(win, fitting))
	for range roundsMore {
		if err := ctx.Err(); err != nil {
			return twin{}, false, err
		}
		rough := s.roughly(win, t)
		if rough.size() < leastRough {
			return twin{}, false, nil
		}
		t = align(s.band, t, rough)
	}
	if err := ctx.Err(); err != nil {
		return twin{}, false, err
	}
	best = s.judge(t, win, c)
	// Scaling down loses detail: the comparison in the inverse direction may be the clearer one.
	if best.score > leastScore-3 && math.Abs(math.Log(t.scale())) > similarSize {
		back := make([]match, len(fitting))
		for i, m := range fitting {
			back[i] = match{m.to, m.from, m.turn}
		}
		if other := s.judge(t.inverse(), around(back, s.w, s.h), candidate{matches: back, piece: c.piece}); other.score > best.score {
			best = other
		}
	}
	if best.score <= leastScore {
		return best, false, nil
	}
	if err := ctx.Err(); err != nil {
		return twin{}, false, err
	}
	best.area, err = s.extent(ctx, best.transform, best.rough)
	return best, best.area.size() > 0, err
}

// seed marks the surroundings of the matches' targets.
func (s *search) seed(win window, agreeing []match) area {
	out := newArea(win)
	for _, m := range agreeing {
		r := int(seedRadius * m.to.scale)
		x0, y0 := int(m.to.x)-win.x, int(m.to.y)-win.y
		for y := max(0, y0-r); y < min(win.h, y0+r); y++ {
			for x := max(0, x0-r); x < min(win.w, x0+r); x++ {
				out.in[y*win.w+x] = true
			}
		}
	}
	return out
}

// roughly marks where the picture at half its size equals its transform by t.
func (s *search) roughly(win window, t transform) area {
	small := window{win.x / 2, win.y / 2, win.w / 2, win.h / 2}
	half := transform{t[0], t[1], (t[2] + (t[0]+t[1]-1)/2) / 2, t[3], t[4], (t[5] + (t[3]+t[4]-1)/2) / 2}
	votes, _ := correlate(s.half.crop(small), warp(s.half, half, small))
	votes = votes.box(surround / 2)
	out := newArea(win)
	for y := range votes.h {
		for x := range votes.w {
			if votes.pix[y*votes.w+x] > roughShare {
				i := 2*y*win.w + 2*x
				out.in[i], out.in[i+1], out.in[i+win.w], out.in[i+win.w+1] = true, true, true, true
			}
		}
	}
	return out
}
