package forge

import (
	"image"
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/components"
)

// count is the number of marked pixels. While a picture is being made, masks have the values 0 and
// 255 only.
func count(m *picture.Gray) int {
	n := 0
	for _, v := range m.Pix {
		if v != 0 {
			n++
		}
	}
	return n
}

// share is the marked share of the pixels.
func share(m *picture.Gray) float64 {
	return float64(count(m)) / float64(len(m.Pix))
}

// bounds returns the smallest rectangle that holds the mask.
func bounds(m *picture.Gray) image.Rectangle {
	r := image.Rect(m.Width, m.Height, 0, 0)
	r.Min, r.Max = image.Pt(m.Width, m.Height), image.Point{}
	for y := range m.Height {
		row := m.Pix[y*m.Width : (y+1)*m.Width]
		for x, v := range row {
			if v == 0 {
				continue
			}
			r.Min.X, r.Max.X = min(r.Min.X, x), max(r.Max.X, x+1)
			r.Min.Y, r.Max.Y = min(r.Min.Y, y), y+1
		}
	}
	if r.Empty() {
		return image.Rectangle{}
	}
	return r
}

// around widens r by n pixels within a picture of w x h.
func around(r image.Rectangle, n, w, h int) image.Rectangle {
	return r.Inset(-n).Intersect(image.Rect(0, 0, w, h))
}

// cropRGB copies a rectangle out of a picture.
func cropRGB(p *picture.RGB, r image.Rectangle) *picture.RGB {
	out := picture.NewRGB(r.Dx(), r.Dy())
	for y := range out.Height {
		at := ((r.Min.Y+y)*p.Width + r.Min.X) * 3
		copy(out.Pix[y*out.Width*3:(y+1)*out.Width*3], p.Pix[at:])
	}
	return out
}

// cropMask copies a rectangle out of a mask.
func cropMask(m *picture.Gray, r image.Rectangle) *picture.Gray {
	out := picture.NewGray(r.Dx(), r.Dy())
	for y := range out.Height {
		copy(out.Pix[y*out.Width:(y+1)*out.Width], m.Pix[(r.Min.Y+y)*m.Width+r.Min.X:])
	}
	return out
}

// boxSum returns for each pixel the sum over the (2r+1)^2 square around it. Pixels outside count as
// 0.
func boxSum(pix []uint8, w, h, r int) []int32 {
	rows := make([]int32, w*h)
	for y := range h {
		src, dst := pix[y*w:(y+1)*w], rows[y*w:(y+1)*w]
		sum := int32(0)
		for x := range min(r, w) {
			sum += int32(src[x])
		}
		for x := range w {
			if x+r < w {
				sum += int32(src[x+r])
			}
			if x-r-1 >= 0 {
				sum -= int32(src[x-r-1])
			}
			dst[x] = sum
		}
	}
	out := make([]int32, w*h)
	column := make([]int32, w)
	add := func(y int, sign int32) {
		if y < 0 || y >= h {
			return
		}
		for x, v := range rows[y*w : (y+1)*w] {
			column[x] += sign * v
		}
	}
	for y := range r {
		add(y, 1)
	}
	for y := range h {
		add(y+r, 1)
		add(y-r-1, -1)
		copy(out[y*w:(y+1)*w], column)
	}
	return out
}

// smooth replaces each mask pixel by the majority of its surroundings.
func smooth(m *picture.Gray, r int) {
	side := int32(2*r + 1)
	for i, s := range boxSum(m.Pix, m.Width, m.Height, r) {
		m.Pix[i] = 0
		if s > 255*side*side/2 {
			m.Pix[i] = 255
		}
	}
}

// grow dilates (n > 0) or erodes (n < 0) a mask by about |n| pixels, with a disc as the structuring
// element.
func grow(m *picture.Gray, n int) {
	if n == 0 {
		return
	}
	r := max(n, -n)
	limit := float32(r*r) + 0.5
	inside := n < 0 // distance is measured to the complement when narrowing
	near := distance2(m, inside)
	for i, d := range near {
		switch {
		case n > 0 && d <= limit:
			m.Pix[i] = 255
		case n < 0 && d <= limit:
			m.Pix[i] = 0
		}
	}
}

// distance2 returns the squared distance in pixels to the nearest mask pixel or, with toOutside, to
// the nearest pixel outside the mask, after Felzenszwalb and Huttenlocher, "Distance Transforms of
// Sampled Functions" (2012).
func distance2(m *picture.Gray, toOutside bool) []float32 {
	const far = 1e12
	w, h := m.Width, m.Height
	d := make([]float32, w*h)
	for i, v := range m.Pix {
		if (v == 0) != toOutside {
			d[i] = far
		}
	}
	n := max(w, h)
	line, lower, at, edge := make([]float32, n), make([]float32, n), make([]int, n), make([]float32, n+1)
	for x := range w {
		for y := range h {
			line[y] = d[y*w+x]
		}
		envelope(line[:h], lower, at, edge)
		for y := range h {
			d[y*w+x] = lower[y]
		}
	}
	for y := range h {
		copy(line, d[y*w:(y+1)*w])
		envelope(line[:w], lower, at, edge)
		copy(d[y*w:(y+1)*w], lower[:w])
	}
	return d
}

// envelope writes the lower envelope of the parabolas f(q)+(x-q)^2 to out.
func envelope(f, out []float32, at []int, edge []float32) {
	k := 0
	at[0], edge[0], edge[1] = 0, float32(math.Inf(-1)), float32(math.Inf(1))
	for q := 1; q < len(f); q++ {
		var s float32
		for {
			p := at[k]
			s = (f[q] - f[p] + float32(q*q-p*p)) / float32(2*(q-p))
			if s > edge[k] {
				break
			}
			k--
		}
		k++
		at[k], edge[k], edge[k+1] = q, s, float32(math.Inf(1))
	}
	k = 0
	for x := range f {
		for edge[k+1] < float32(x) {
			k++
		}
		dx := float32(x - at[k])
		out[x] = f[at[k]] + dx*dx
	}
}

// fillHoles adds the areas that the mask encloses.
func fillHoles(m *picture.Gray) {
	empty := func(i int) bool { return m.Pix[i] == 0 }
	atBorder := func(i int) bool {
		x, y := i%m.Width, i/m.Width
		return x == 0 || y == 0 || x == m.Width-1 || y == m.Height-1
	}
	for part := range components.Of(m.Width, m.Height, components.Sides, empty, empty) {
		if slices.ContainsFunc(part, atBorder) {
			continue
		}
		for _, i := range part {
			m.Pix[i] = 255
		}
	}
}
