package forge

import (
	"image/color"

	"github.com/declip/declip/internal/picture"
)

// screenshot shows the photograph on a page with bars, texts, discs and buttons, light or dark.
func (d dice) screenshot(photo *picture.RGB) (*picture.RGB, error) {
	p := d.reframe(photo)
	w := d.between(360, 1280)
	shown := max(16, int(float64(w)*d.uniform(0.5, 1)))
	p = fitted(p, shown)
	small, err := d.letters(d.between(12, 20), false)
	if err != nil {
		return nil, err
	}
	large, err := d.letters(d.between(18, 30), true)
	if err != nil {
		return nil, err
	}
	paper, ink, accent := d.theme()
	bar := d.between(28, 72)
	page := picture.NewRGB(w, bar+p.Height+d.between(8, 30)*small.height)
	fill(page, 0, 0, page.Width, page.Height, paper)
	fill(page, 0, 0, page.Width, bar, accent)
	large.write(page, d.between(8, 40), max(0, bar/2-large.height/2), d.word()+" "+d.word(), paper)
	y := d.paragraph(small, page, 16, bar+8, w-32, bar+8+3*small.height, ink)
	put(page, p, (w-shown)/2, min(y, page.Height-p.Height))
	y = min(y, page.Height-p.Height) + p.Height + 8
	for y < page.Height {
		if d.chance(0.5) {
			disc(page, 16+small.height, y+small.height, small.height*2/3, accent)
			y = d.paragraph(small, page, 24+2*small.height, y, w-40-2*small.height, page.Height, ink)
		} else {
			fill(page, 16, y, 16+d.between(60, 200), y+2*small.height, accent)
			small.write(page, 24, y+small.height/2, d.word(), paper)
			y += 2 * small.height
		}
		y += d.between(8, 24)
	}
	return page, nil
}

// fitted scales p to a width; of pictures more than twice as high as wide it takes the middle.
func fitted(p *picture.RGB, width int) *picture.RGB {
	if skip := (p.Height - 2*p.Width) / 2; skip > 0 {
		p = moved(p, p.Width, 2*p.Width, func(x, y int) (int, int) { return x, y + skip })
	}
	return picture.Resize(p, width, max(16, width*p.Height/p.Width))
}

// theme draws the colours of a page: of its paper, ink and bars.
func (d dice) theme() (paper, ink, accent color.RGBA) {
	accent = color.RGBA{uint8(d.IntN(256)), uint8(d.IntN(256)), uint8(d.IntN(256)), 255}
	light, dark := uint8(d.between(236, 255)), uint8(d.between(0, 40))
	paper, ink = color.RGBA{light, light, light, 255}, color.RGBA{dark, dark, dark, 255}
	if d.chance(0.4) {
		paper, ink = ink, paper
	}
	return paper, ink, accent
}

// disc fills one of radius r pixels.
func disc(p *picture.RGB, cx, cy, r int, c color.RGBA) {
	for y := -r; y <= r; y++ {
		for x := -r; x <= r; x++ {
			if x*x+y*y <= r*r {
				fill(p, cx+x, cy+y, cx+x+1, cy+y+1, c)
			}
		}
	}
}

// document is a page of text with the photograph as a small print.
func (d dice) document(photo *picture.RGB) (*picture.RGB, error) {
	w := d.between(600, 1300)
	h := int(float64(w) * d.uniform(1, 1.45))
	margin := w / d.between(8, 16)
	l, err := d.letters(max(10, w/d.between(45, 75)), false)
	if err != nil {
		return nil, err
	}
	head, err := d.letters(2*l.height, true)
	if err != nil {
		return nil, err
	}
	page := d.paper(w, h)
	dark := uint8(d.between(0, 60))
	ink := color.RGBA{dark, dark, dark, 255}
	head.write(page, margin, margin, d.word()+" "+d.word(), ink)
	p := d.reframe(photo)
	width := max(16, int(float64(w-2*margin)*d.uniform(0.25, 0.9)))
	if p = fitted(p, width); p.Height > h/2 {
		p = picture.Resize(p, max(16, width*h/2/p.Height), h/2)
	}
	y := d.paragraph(l, page, margin, margin+head.height+l.height, w-2*margin, h/2-margin, ink) + l.height
	y = min(y, h-p.Height)
	put(page, p, margin+d.between(0, w-2*margin-p.Width), y)
	for y += p.Height + l.height; y < h-margin; y += l.height {
		y = d.paragraph(l, page, margin, y, w-2*margin, h-margin, ink)
	}
	return d.digitised(page), nil
}

// meme captions the photograph: on a bar above it, or over it in white letters with a black rim.
func (d dice) meme(photo *picture.RGB) (*picture.RGB, error) {
	p := d.reframe(photo)
	w := d.between(400, 1080)
	p = fitted(p, w)
	l, err := d.letters(w/d.between(9, 18), true)
	if err != nil {
		return nil, err
	}
	text := d.line(l, w-w/10)
	white, black := color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}
	if d.chance(0.5) {
		page := picture.NewRGB(w, p.Height+2*l.height)
		fill(page, 0, 0, w, page.Height, white)
		put(page, p, 0, 2*l.height)
		l.write(page, w/20, l.height/2, text, black)
		return page, nil
	}
	rim := max(1, l.height/20)
	for _, y := range []int{l.height / 4, p.Height - l.height - l.height/2}[:d.between(1, 2)] {
		x := (w - l.width(text)) / 2
		for i := range 9 {
			l.write(p, x+(i%3-1)*rim, y+(i/3-1)*rim, text, black)
		}
		l.write(p, x, y, text, white)
		text = d.line(l, w-w/10)
	}
	return p, nil
}
