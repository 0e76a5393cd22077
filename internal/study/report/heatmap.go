package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// heatMap draws a table of averages as coloured cells with numbers.
type heatMap struct {
	rows, columns []string
	cell          func(row, column string) (Estimate, string) // the average, or why there is none
	format        func(float64) string
	full          float64 // the value of the darkest colour
}

// Plot implements plot.Plotter.
func (h heatMap) Plot(c draw.Canvas, p *plot.Plot) {
	for i, row := range h.rows {
		for j, column := range h.columns {
			y := float64(len(h.rows) - 1 - i)
			x0, x1 := c.X(p.X.Norm(float64(j)-0.5)), c.X(p.X.Norm(float64(j)+0.5))
			y0, y1 := c.Y(p.Y.Norm(y-0.5)), c.Y(p.Y.Norm(y+0.5))
			h.draw(&c, [4]vg.Length{x0 + 1, y0 + 1, x1 - 1, y1 - 1}, row, column)
		}
	}
}

// draw draws one cell.
func (h heatMap) draw(c *draw.Canvas, box [4]vg.Length, row, column string) {
	e, problem := h.cell(row, column)
	middle := vg.Point{X: (box[0] + box[2]) / 2, Y: (box[1] + box[3]) / 2}
	if !e.Known() {
		c.FillPolygon(absent, rectangle(box[0], box[1], box[2], box[3]))
		style := sans(smallType, false)
		style.Color = color.NRGBA{0x66, 0x66, 0x66, 0xff}
		word := "no score"
		if problem != "" {
			word = "missing"
		}
		c.FillText(style, middle, word)
		return
	}
	fill, text := shade(e.Mean / h.full)
	c.FillPolygon(fill, rectangle(box[0], box[1], box[2], box[3]))
	if row == column {
		const w = 2
		edge := rectangle(box[0]+w/2, box[1]+w/2, box[2]-w/2, box[3]-w/2)
		c.StrokeLines(draw.LineStyle{Color: vermilion, Width: w}, append(edge, edge[0], edge[1]))
	}
	style := sans(typeSize+1, true)
	style.Color = text
	if e.HasInterval() {
		small := sans(smallType, false)
		small.Color = text
		c.FillText(small, vg.Point{X: middle.X, Y: middle.Y - 8}, h.format(e.Low)+" to "+h.format(e.High))
		middle.Y += 5
	}
	c.FillText(style, middle, h.format(e.Mean))
}

// shade gives the colour for a share of the scale, from near white to dark blue with evenly
// decreasing lightness, and the colour of text on it.
func shade(v float64) (fill, text color.NRGBA) {
	stops := [][3]float64{{0xf4, 0xf8, 0xfc}, {0xc4, 0xdb, 0xee}, {0x7d, 0xb2, 0xda}, {0x36, 0x80, 0xbd}, {0x0b, 0x4a, 0x8f}, {0x08, 0x24, 0x52}}
	at := math.Min(math.Max(v, 0), 1) * float64(len(stops)-1)
	k := min(int(at), len(stops)-2)
	mix := func(i int) uint8 { return uint8(stops[k][i] + (at-float64(k))*(stops[k+1][i]-stops[k][i]) + 0.5) }
	fill = color.NRGBA{mix(0), mix(1), mix(2), 255}
	if at > 2.5 {
		return fill, color.NRGBA{255, 255, 255, 255}
	}
	return fill, ink
}

// crossFigure is the heat map of training sets, or methods, against test sets.
func (a *Analysis) crossFigure(variant string, t Treatment, m Metric) *Figure {
	rowName := "trained on"
	if a.Kind == Figure2 {
		rowName = "method"
	}
	p := newPlot("tested on", rowName)
	nominal(&p.X, wrapAll(a.Test, 11))
	rows := make([]string, len(a.Train))
	for i, name := range a.Train {
		rows[len(rows)-1-i] = wrap(name, 18)
	}
	nominal(&p.Y, rows)
	p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
	h := heatMap{rows: a.Train, columns: a.Test, format: m.Format, full: 0.2}
	if m.Percent {
		h.full = 20
	}
	for step, pairs := h.full, a.rank(variant, t, m.Key, slices.Concat(a.pairs(true), a.pairs(false))); len(pairs) > 0 && h.full < pairs[0].Mean; {
		h.full += step
	}
	h.cell = func(row, column string) (Estimate, string) {
		return a.Cell(variant, row, column, t, m.Key), a.Problem(variant, row, column, t)
	}
	p.Add(h)
	columns := vg.Length(len(a.Test))
	return &Figure{Name: "cross-" + m.Key, plot: p, width: max(figureWidth, 70+62*columns), height: 44 + 46*vg.Length(len(a.Train))}
}

// Format writes a value of the metric: percent with one digit, fractions with three.
func (m Metric) Format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case m.Percent:
		return unsigned(fmt.Sprintf("%.1f", v))
	}
	return unsigned(fmt.Sprintf("%.3f", v))
}

// unsigned removes the sign of numbers rounded to 0 and replaces hyphens by minus signs.
func unsigned(text string) string {
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return strings.Replace(text, "-", "−", 1)
}

// wrapAll wraps several names.
func wrapAll(names []string, width int) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = wrap(name, width)
	}
	return list
}
