package forge

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/declip/declip/internal/picture"
)

// lettering writes text into pictures, in one face and size.
type lettering struct {
	face   font.Face
	height int // of a line, in pixels
}

// letters opens a random face of the given size in pixels.
func (d dice) letters(size int, bold bool) (lettering, error) {
	data := goregular.TTF
	switch {
	case bold:
		data = gobold.TTF
	case d.chance(0.15):
		data = gomono.TTF
	}
	parsed, err := opentype.Parse(data)
	if err != nil {
		return lettering{}, fmt.Errorf("font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return lettering{}, fmt.Errorf("font: %w", err)
	}
	return lettering{face, size + size/3}, nil
}

// width is that of a text, in pixels.
func (l lettering) width(text string) int { return font.MeasureString(l.face, text).Ceil() }

// write draws one line, of which the upper left corner is at (x, y), over p. What is outside of p
// is left out.
func (l lettering) write(p *picture.RGB, x, y int, text string, c color.RGBA) {
	cover := image.NewAlpha(image.Rect(0, 0, l.width(text)+l.height, l.height+l.height/2))
	drawer := font.Drawer{Dst: cover, Src: image.Opaque, Face: l.face, Dot: fixed.P(0, l.face.Metrics().Ascent.Ceil())}
	drawer.DrawString(text)
	for cy := range cover.Rect.Dy() {
		for cx := range cover.Rect.Dx() {
			a := int(cover.Pix[cy*cover.Stride+cx])
			px, py := x+cx, y+cy
			if a == 0 || px < 0 || px >= p.Width || py < 0 || py >= p.Height {
				continue
			}
			at := p.Pix[3*(py*p.Width+px):]
			for i, v := range []uint8{c.R, c.G, c.B} {
				at[i] = uint8((int(at[i])*(255-a) + int(v)*a + 127) / 255)
			}
		}
	}
}

// paragraph writes words from (x, y) on, in lines of at most the given width, down to at most
// bottom, and returns the y below.
func (d dice) paragraph(l lettering, p *picture.RGB, x, y, width, bottom int, c color.RGBA) int {
	for lines := d.between(1, 6); lines > 0 && y+l.height <= bottom; lines-- {
		l.write(p, x, y, d.line(l, width), c)
		y += l.height
	}
	return y
}

// line is words of at most the given width together, at least one.
func (d dice) line(l lettering, width int) string {
	line := d.word()
	for next := line + " " + d.word(); l.width(next) <= width; next = line + " " + d.word() {
		line = next
	}
	return line
}

// word makes one up.
func (d dice) word() string {
	const vowels, others = "aeiou", "bcdfghjklmnprstvwz"
	if d.chance(0.06) {
		return fmt.Sprint(d.between(0, 2100))
	}
	var b strings.Builder
	for range d.between(1, 4) {
		b.WriteByte(others[d.IntN(len(others))])
		b.WriteByte(vowels[d.IntN(len(vowels))])
		if d.chance(0.3) {
			b.WriteByte(others[d.IntN(len(others))])
		}
	}
	if d.chance(0.1) {
		return strings.ToUpper(b.String()[:1]) + b.String()[1:] + "."
	}
	return b.String()
}
