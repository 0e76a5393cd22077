package copymove

import (
	"context"
	"math"
	"slices"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Pair is an area of the picture and its twin, as masks on a grid [Height, Width] over the picture.
type Pair struct {
	One, Other    []bool
	Width, Height int
	// Probability, in [0, 1], that one was copied from the other, rather than both looking alike.
	Probability float64
	// Rougher is the mean logarithm of One's finest detail minus Other's.
	Rougher float64
}

// Pairs are what Find found in a picture.
type Pairs []Pair

// mostPixels is the largest size that is searched; larger pictures are scaled down.
const mostPixels = 600_000

// Find finds the pairs in a picture. Pictures under 60 pixels on a side have none. When ctx ends it
// returns ctx's error within about 50 ms.
func Find(ctx context.Context, rgb *picture.RGB) (Pairs, error) {
	if n := rgb.Width * rgb.Height; n > mostPixels {
		f := math.Sqrt(mostPixels / float64(n))
		var err error
		if rgb, err = picture.ResizeContext(ctx, rgb, max(1, int(f*float64(rgb.Width))), max(1, int(f*float64(rgb.Height)))); err != nil {
			return nil, err
		}
	}
	p := luma(rgb)
	if min(p.w, p.h) < 4*reach {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	points, err := keypoints(ctx, p)
	if err != nil {
		return nil, err
	}
	s := newSearch(p)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var pairs [2][]Pair // of plain copies, and of mirrored ones
	err = parallel.For(ctx, len(pairs), len(pairs), func(ctx context.Context, i int) (err error) {
		pairs[i], err = findPairs(ctx, p, s, points, i == 1)
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(pairs[0], pairs[1]...), nil
}

// findPairs finds the pairs of which one part is the other's copy, or its mirrored copy.
func findPairs(ctx context.Context, p plane, s *search, points []keypoint, mirrored bool) (pairs []Pair, err error) {
	list, err := matches(ctx, points, mirrored)
	if err != nil {
		return nil, err
	}
	candidates, err := transforms(ctx, list, mirrored)
	if err != nil {
		return nil, err
	}
	for _, t := range candidates {
		twin, ok, err := s.examine(ctx, t, list)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		pair := Pair{
			One: backTo(twin.mask, p.w, p.h, twin.transform), Other: twin.mask, Width: p.w, Height: p.h,
			Probability: numeric.Sigmoid(twin.score),
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pair.Rougher = pair.detail(p)
		pairs = append(pairs, pair)
	}
	return pairs, nil
}

// backTo marks the pixels that t maps into the mask.
func backTo(mask []bool, w, h int, t transform) []bool {
	out := make([]bool, len(mask))
	for y := range h {
		for x := range w {
			fx, fy := t.apply(float64(x), float64(y))
			i, j := int(math.Round(fx)), int(math.Round(fy))
			out[y*w+x] = i >= 0 && j >= 0 && i < w && j < h && mask[j*w+i]
		}
	}
	return out
}

// Weights, in logits, for which twin is the copy. They are right for three in four of 145 pairs in
// forged pictures.
const (
	byStrangeness = 1.88  // difference of the network's mean logits
	byRoughness   = -1.01 // difference of Rougher
)

// The highest probabilities that a pair gives.
const (
	strange  = 0.95 // to the copy
	familiar = 0.6  // to the likely original
	doubt    = 0.3  // below this probability of being the copy, the original stays unmarked
)

// Mark raises the probabilities of the pixels that belong to copies, in a map at the picture's
// size. Of two twins the copy is the one with the higher mean logit and with less fine detail.
// Where that is in doubt both are marked, so that half of the marked area is right, rather than all
// or none.
func (pairs Pairs) Mark(m *picture.Map) {
	prob, width, height := m.Prob, m.Width, m.Height
	for _, p := range pairs {
		isOne := numeric.Sigmoid(byStrangeness*p.lead(prob, width, height) + byRoughness*p.Rougher)
		least := func(isCopy float64) float32 {
			switch {
			case isCopy >= 0.5:
				return float32(min(strange, p.Probability))
			case isCopy >= doubt:
				return float32(min(familiar, p.Probability))
			}
			return float32(isCopy * p.Probability)
		}
		one, other := least(isOne), least(1-isOne)
		p.each(width, height, func(i, cell int) {
			if p.One[cell] {
				prob[i] = max(prob[i], one)
			}
			if p.Other[cell] {
				prob[i] = max(prob[i], other)
			}
		})
	}
}

// lead is the mean logit over One minus that over Other, without the cells that both cover.
func (p Pair) lead(prob []float32, width, height int) float64 {
	var one, other mean
	for cell, in := range p.One {
		if in == p.Other[cell] {
			continue
		}
		// The pixel at the centre represents the cell.
		x, y := (2*(cell%p.Width)+1)*width/(2*p.Width), (2*(cell/p.Width)+1)*height/(2*p.Height)
		if logit := numeric.Logit(float64(prob[y*width+x]), 1e-5); in {
			one.add(logit)
		} else {
			other.add(logit)
		}
	}
	return one.value() - other.value()
}

// detail compares the twins' finest detail: the mean logarithm of the mean square, over 5 x 5
// pixels, of the mixed second difference.
func (p Pair) detail(grey plane) float64 {
	squares := newPlane(grey.w, grey.h)
	for y := 1; y < grey.h-1; y++ {
		for x := 1; x < grey.w-1; x++ {
			row := grey.pix[(y-1)*grey.w+x-1:]
			a, b, c := row[:3], row[grey.w:grey.w+3], row[2*grey.w:2*grey.w+3]
			d := b[1] - (a[1]+b[0]+b[2]+c[1])/2 + (a[0]+a[2]+c[0]+c[2])/4
			squares.pix[y*grey.w+x] = d * d
		}
	}
	var one, other mean
	for i, v := range squares.box(2).pix {
		if p.One[i] == p.Other[i] {
			continue
		}
		if l := math.Log(max(float64(v), 0) + 0.02); p.One[i] {
			one.add(l)
		} else {
			other.add(l)
		}
	}
	return one.value() - other.value()
}

// mean is the mean of the added values, 0 without any.
type mean struct{ sum, count float64 }

func (m *mean) add(v float64) { m.sum, m.count = m.sum+v, m.count+1 }
func (m mean) value() float64 { return m.sum / max(m.count, 1) }

// each calls f for every pixel of the rows that contain some of the pair, with the pixel's cell of
// the grid.
func (p Pair) each(width, height int, f func(i, cell int)) {
	columns := make([]int, width)
	for x := range columns {
		columns[x] = x * p.Width / width
	}
	for y := range height {
		row := y * p.Height / height * p.Width
		if !slices.Contains(p.One[row:row+p.Width], true) && !slices.Contains(p.Other[row:row+p.Width], true) {
			continue
		}
		for x, column := range columns {
			f(y*width+x, row+column)
		}
	}
}
