package report

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Figure is a drawing with its caption.
type Figure struct {
	Name    string // of its files
	Title   string
	Caption string // plain sentences
	plot    *plot.Plot
	legend  []legendEntry
	width   vg.Length
	height  vg.Length
}

// Sizes. Figures are drawn for a column of about 480 CSS pixels, so that they are readable on a
// phone.
const (
	figureWidth = 360 * vg.Length(1) // points
	typeSize    = 10
	smallType   = 8
	legendRow   = 16 * vg.Length(1)
	resolution  = 200 // dots per inch of PNG files
)

// Colours of Okabe and Ito, which are distinct with any colour vision and, by their lightness, in
// print.
var (
	blue      = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	vermilion = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	green     = color.NRGBA{0x00, 0x9e, 0x73, 0xff}
	purple    = color.NRGBA{0xcc, 0x79, 0xa7, 0xff}
	sky       = color.NRGBA{0x56, 0xb4, 0xe9, 0xff}
	orange    = color.NRGBA{0xe6, 0x9f, 0x00, 0xff}
	ink       = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	faint     = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff}
	absent    = color.NRGBA{0xee, 0xee, 0xee, 0xff}
)

// sans is the type of all figures.
func sans(size vg.Length, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // bold, in golang.org/x/image/font's counting
	}
	return text.Style{Color: ink, Font: f, Handler: text.Plain{Fonts: font.DefaultCache}, XAlign: draw.XCenter, YAlign: draw.YCenter}
}

// newPlot is an empty plot in the style of the report.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		label, tick := sans(typeSize, false), sans(typeSize, false)
		axis.Label.Padding, axis.Padding = 4, 0
		label.XAlign, label.YAlign = axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign
		axis.Label.TextStyle = label
		tick.XAlign, tick.YAlign = axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = tick
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = ink, ink
		axis.LineStyle.Width, axis.Tick.LineStyle.Width = 0.6, 0.6
	}
	return p
}

// nominal puts names on an axis at 0, 1, 2, ...
func nominal(axis *plot.Axis, names []string) {
	ticks := make([]plot.Tick, len(names))
	for i, name := range names {
		ticks[i] = plot.Tick{Value: float64(i), Label: name}
	}
	axis.Tick.Marker = plot.ConstantTicks(ticks)
	axis.Tick.Length = 0
	axis.Min, axis.Max = -0.5, float64(len(names))-0.5
}

// percentAxis runs from 0 to just over the largest value.
func percentAxis(axis *plot.Axis, largest float64) {
	step := 20.0
	switch {
	case largest <= 10:
		step = 2
	case largest <= 25:
		step = 5
	case largest <= 50:
		step = 10
	}
	axis.Min, axis.Max = 0, step
	for axis.Max < largest {
		axis.Max += step
	}
	var ticks []plot.Tick
	for v := 0.0; v <= axis.Max; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g", v)})
	}
	axis.Tick.Marker = plot.ConstantTicks(ticks)
}

// levels draws faint lines at the marks of the y axis.
type levels struct{}

// Plot implements plot.Plotter.
func (levels) Plot(c draw.Canvas, p *plot.Plot) {
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		y := c.Y(p.Y.Norm(t.Value))
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.5}, c.Min.X, y, c.Max.X, y)
	}
}

// legendEntry is a symbol and its name.
type legendEntry struct {
	name   string
	colour color.NRGBA
	line   *lineStyle // nil for a filled square
}

// draw draws the legend in a row of its own, so that it hides nothing, and the plot below.
func (f *Figure) draw(c draw.Canvas) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	const row = legendRow
	if len(f.legend) > 0 {
		x, y := c.Min.X+8, c.Max.Y-row/2
		style := sans(typeSize, false)
		style.XAlign = draw.XLeft
		for _, e := range f.legend {
			width := 24 + style.Width(e.name) + 16
			if x+width > c.Max.X && x > c.Min.X+8 {
				x, y = c.Min.X+8, y-row
			}
			e.draw(&c, x, y)
			c.FillText(style, vg.Point{X: x + 24, Y: y}, e.name)
			x += width
		}
		c.Max.Y = y - row/2 - 4
	}
	f.plot.Draw(draw.Crop(c, 2, -8, 2, -6))
}

// draw draws the symbol.
func (e legendEntry) draw(c *draw.Canvas, x, y vg.Length) {
	if e.line == nil {
		c.FillPolygon(e.colour, rectangle(x+4, y-5, x+16, y+5))
		return
	}
	c.StrokeLine2(e.line.stroke(), x, y, x+20, y)
	c.DrawGlyphNoClip(e.line.glyph(), vg.Point{X: x + 10, Y: y})
}

func rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}

// room is the height of the figure: that of its kind, or more where rows of its legend would leave
// less than half for the plot.
func (f *Figure) room() vg.Length {
	x, rows := vg.Length(0), vg.Length(1)
	for _, e := range f.legend {
		width := 24 + sans(typeSize, false).Width(e.name) + 16
		if x > 0 && x+width > f.width-8 {
			x, rows = 0, rows+1
		}
		x += width
	}
	return max(f.height, f.height/2+rows*legendRow)
}

// PNG encodes the figure for documents that do not support SVG.
func (f *Figure) PNG() ([]byte, error) {
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.width, f.room()), vgimg.UseDPI(resolution))}
	f.draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("figure %s: %w", f.Name, err)
	}
	return b.Bytes(), nil
}

// SVG encodes the figure. Its text stays text, in another sans serif if Liberation Sans is missing.
func (f *Figure) SVG() ([]byte, error) {
	c := vgsvg.New(f.width, f.room())
	f.draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("figure %s: %w", f.Name, err)
	}
	return visible([]byte(strings.ReplaceAll(b.String(), "font-family:Liberation Sans", "font-family:Liberation Sans,Arial,Helvetica,sans-serif"))), nil
}

// longestName is the largest number of characters of a name in a figure. Tables have whole names.
const longestName = 60

// short cuts a name that would leave a figure no room. It writes out what commands, so that no cut
// goes through it later.
func short(name string) string {
	r := []rune(string(visible([]byte(name))))
	if len(r) <= longestName {
		return string(r)
	}
	return string(r[:longestName-1]) + "…"
}

// wrap breaks a name into lines of at most width bytes if possible: at spaces and, in words that
// are too long, after hyphens, slashes and commas.
func wrap(name string, width int) string {
	var lines []string
	for _, word := range strings.Fields(short(name)) {
		for i, part := range parts(word, width) {
			space := " "
			if i > 0 {
				space = ""
			}
			if n := len(lines); n > 0 && len(lines[n-1])+len(space)+len(part) <= width {
				lines[n-1] += space + part
			} else {
				lines = append(lines, part)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// parts splits a word where it may be broken.
func parts(word string, width int) (list []string) {
	if len(word) <= width {
		return []string{word}
	}
	for word != "" {
		end := strings.IndexAny(word, "-/,") + 1
		if end == 0 {
			end = len(word)
		}
		list, word = append(list, word[:end]), word[end:]
	}
	return list
}
