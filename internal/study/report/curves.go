package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// series is one line, or the bars of one colour: an average at each position of the x axis.
type series struct {
	name   string
	style  lineStyle
	values []Estimate
}

// lineStyle distinguishes lines by colour, dashes and the shapes of their points, so that they
// differ in greyscale print, too.
type lineStyle struct {
	colour color.NRGBA
	dashes []vg.Length
	shape  draw.GlyphDrawer
}

var lineStyles = []lineStyle{
	{blue, nil, draw.CircleGlyph{}},
	{vermilion, []vg.Length{6, 2}, draw.PyramidGlyph{}},
	{green, []vg.Length{2, 2}, draw.BoxGlyph{}},
	{purple, []vg.Length{8, 2, 2, 2}, draw.TriangleGlyph{}},
	{sky, []vg.Length{4, 4}, draw.CircleGlyph{}},
	{orange, []vg.Length{1, 2}, draw.BoxGlyph{}},
}

func (s lineStyle) stroke() draw.LineStyle {
	return draw.LineStyle{Color: s.colour, Width: 1.6, Dashes: s.dashes}
}

func (s lineStyle) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.colour, Radius: 3, Shape: s.shape}
}

// curves draws series as lines over bands of their intervals.
type curves []series

// Plot implements plot.Plotter.
func (list curves) Plot(c draw.Canvas, p *plot.Plot) {
	at := func(i int, v float64) vg.Point {
		return vg.Point{X: c.X(p.X.Norm(float64(i))), Y: c.Y(p.Y.Norm(v))}
	}
	for _, s := range list {
		for _, part := range runsOf(s.values, Estimate.HasInterval) {
			var band []vg.Point
			for i := part[0]; i < part[1]; i++ {
				band = append(band, at(i, s.values[i].High))
			}
			for i := part[1] - 1; i >= part[0]; i-- {
				band = append(band, at(i, s.values[i].Low))
			}
			pale := s.style.colour
			pale.A = 0x2a
			c.FillPolygon(pale, band)
		}
	}
	for _, s := range list {
		for _, part := range runsOf(s.values, Estimate.Known) {
			var line []vg.Point
			for i := part[0]; i < part[1]; i++ {
				line = append(line, at(i, s.values[i].Mean))
				c.DrawGlyphNoClip(s.style.glyph(), line[len(line)-1])
			}
			c.StrokeLines(s.style.stroke(), line)
		}
	}
}

// runsOf lists the ranges [from, to) of values that fulfil a condition, so that gaps are not drawn
// over.
func runsOf(values []Estimate, ok func(Estimate) bool) (list [][2]int) {
	for i := 0; i < len(values); i++ {
		from := i
		for i < len(values) && ok(values[i]) {
			i++
		}
		if i > from {
			list = append(list, [2]int{from, i})
		}
	}
	return list
}

// bars draws series as bars side by side, with their intervals and values.
type bars struct {
	series []series
	format func(float64) string
}

// Plot implements plot.Plotter.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	const gap = 0.3 // share of a group's width
	each := (1 - gap) / float64(len(b.series))
	for k, s := range b.series {
		for i, e := range s.values {
			left := float64(i) - 0.5 + gap/2 + float64(k)*each
			x0, x1 := c.X(p.X.Norm(left)), c.X(p.X.Norm(left+each))-1
			middle, floor := (x0+x1)/2, c.Y(p.Y.Norm(0))
			style := sans(smallType, false)
			style.YAlign = draw.YBottom
			if !e.Known() {
				c.FillText(style, vg.Point{X: middle, Y: floor + 2}, "–")
				continue
			}
			top := c.Y(p.Y.Norm(e.Mean))
			c.FillPolygon(s.style.colour, rectangle(x0, floor, x1, top))
			if e.HasInterval() {
				low, high := c.Y(p.Y.Norm(e.Low)), c.Y(p.Y.Norm(e.High))
				line := draw.LineStyle{Color: ink, Width: 0.9}
				c.StrokeLine2(line, middle, low, middle, high)
				c.StrokeLine2(line, middle-3, low, middle+3, low)
				c.StrokeLine2(line, middle-3, high, middle+3, high)
				top = max(top, high)
			}
			c.FillText(style, vg.Point{X: middle, Y: top + 2}, b.format(e.Mean))
		}
	}
}

// largest is the highest value or interval's end of all series; 1 without any.
func largest(list []series) float64 {
	most := 0.0
	for _, s := range list {
		for _, e := range s.values {
			if e.Known() {
				most = math.Max(most, e.Mean)
				if e.HasInterval() {
					most = math.Max(most, e.High)
				}
			}
		}
	}
	return math.Max(most, 1)
}

// curveFigure draws series over named positions.
func curveFigure(name, x, y string, places []string, list []series) *Figure {
	p := newPlot(x, y)
	nominal(&p.X, wrapAll(places, 10))
	thin(&p.X, len(places))
	percentAxis(&p.Y, largest(list))
	p.Add(levels{}, curves(list))
	f := &Figure{Name: name, plot: p, width: figureWidth, height: 230}
	for i := range list {
		f.legend = append(f.legend, legendEntry{short(list[i].name), list[i].style.colour, &list[i].style})
	}
	return f
}

// thin removes names that would overlap: only every second, third, ... remains.
func thin(axis *plot.Axis, places int) {
	ticks := axis.Tick.Marker.Ticks(0, 0)
	longest := vg.Length(1)
	for _, t := range ticks {
		longest = max(longest, axis.Tick.Label.Width(t.Label)+6)
	}
	room := (figureWidth - 50) / vg.Length(max(places, 1))
	every := int(math.Ceil(float64(longest / room)))
	for i := range ticks {
		if i%every != 0 {
			ticks[i].Label = ""
		}
	}
	axis.Tick.Marker = plot.ConstantTicks(ticks)
}

// barFigure draws series as groups of bars.
func barFigure(name, y string, m Metric, groups []string, list []series) *Figure {
	p := newPlot("", y)
	nominal(&p.X, wrapAll(groups, 11))
	percentAxis(&p.Y, largest(list)*1.06)
	p.Add(levels{}, bars{list, m.Format})
	f := &Figure{Name: name, plot: p, width: max(figureWidth, 50+vg.Length(len(groups)*(20+20*len(list)))), height: 230}
	for _, s := range list {
		f.legend = append(f.legend, legendEntry{short(s.name), s.style.colour, nil})
	}
	return f
}
