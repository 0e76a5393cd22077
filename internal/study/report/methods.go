package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// pageMatrix shows test pictures in rows and methods in columns.
type pageMatrix struct {
	Heads []string // picture, truth, then the methods
	Rows  []pageRow
}

// f1 is the score by which methods are compared.
var f1 = metricOf("f1")

// methodPairs are one method with each test set.
func (a *Analysis) methodPairs(method string) (list []pair) {
	for _, test := range a.Test {
		list = append(list, pair{method, test})
	}
	return list
}

// rankedMethods lists the methods with scores by their mean over the test sets, the best first.
func (a *Analysis) rankedMethods(m Metric) (list []ranked) {
	for _, method := range a.Train {
		if e := a.mean(a.Variants[0], a.Treatments[0], m.Key, a.methodPairs(method)); e.Known() {
			list = append(list, ranked{pair{train: method}, e})
		}
	}
	slices.SortStableFunc(list, func(x, y ranked) int { return cmp.Compare(y.Mean, x.Mean) })
	return list
}

// methodSections are a table for each score, with methods in rows and test sets in columns.
func (a *Analysis) methodSections() []section {
	f := a.crossFigure(a.Variants[0], a.Treatments[0], iou)
	f.Title = "IoU (%) by method (rows) and test set (columns)"
	f.Caption = "Darker cells are better: more of the manipulated area is found, and less outside it is marked." + a.intervalWords()
	s := section{title: "Every method on every test set", figures: []*Figure{f}}
	for _, m := range a.measured(slices.Concat([]Metric{f1, iou, metricOf("ap"), metricOf("auc")}, plainMetrics)) {
		s.tables = append(s.tables, a.methodTable(m))
	}
	if a.hasUntouched() {
		s.tables = append(s.tables, a.methodFlaggedTable())
	}
	s.tables[0].Caption = "The highest value of each column is in bold. In the mean, every test set has the same weight." + a.intervalWords()
	return []section{s}
}

// methodTable has one score of every method on every test set.
func (a *Analysis) methodTable(m Metric) Table {
	name := m.Name
	if m.Percent {
		name += " (%)"
	}
	table := a.methodColumns("methods-"+m.Key, name+" of every method on every test set")
	best := make([]float64, len(a.Test)+1)
	for i := range best {
		best[i] = math.Inf(-1)
	}
	for _, method := range a.Train {
		row := []Value{headValue(method)}
		for i, e := range a.methodScores(method, m) {
			v := numberValue(e, m.Format)
			if i < len(a.Test) {
				if problem := a.Problem(a.Variants[0], method, a.Test[i], a.Treatments[0]); problem != "" {
					v = missing(problem)
				}
			}
			if v.Known() {
				best[i] = max(best[i], v.Mean)
			}
			row = append(row, v)
		}
		table.Rows = append(table.Rows, row)
	}
	for _, row := range table.Rows {
		for i := range best {
			if v := &row[i+1]; v.Known() && v.Mean == best[i] && len(table.Rows) > 1 {
				v.Class = "best"
			}
		}
	}
	return table
}

// methodScores are a method's averages on each test set, then their mean.
func (a *Analysis) methodScores(method string, m Metric) (list []Estimate) {
	v, t := a.Variants[0], a.Treatments[0]
	for _, test := range a.Test {
		list = append(list, a.Cell(v, method, test, t, m.Key))
	}
	return append(list, a.mean(v, t, m.Key, a.methodPairs(method)))
}

func (a *Analysis) methodColumns(name, title string) Table {
	table := Table{Name: name, Title: title, Columns: []Column{{"method", "method", false}}}
	for _, test := range a.Test {
		table.Columns = append(table.Columns, Column{test, test, true})
	}
	table.Columns = append(table.Columns, Column{"mean", "mean", true})
	return table
}

// methodFlaggedTable has the share of untouched pictures that each method flags.
func (a *Analysis) methodFlaggedTable() Table {
	table := a.methodColumns("methods-flagged", "Untouched pictures flagged (%)")
	table.Caption = "An untouched picture is flagged if more than 1 % of its pixels are marked. Lower is better."
	for _, method := range a.Train {
		row := []Value{headValue(method)}
		sum, sets := 0.0, 0
		for _, test := range a.Test {
			value := math.NaN()
			if share, n := a.flagged(a.Variants[0], method, test, a.Treatments[0]); n > 0 {
				value = 100 * share
				sum, sets = sum+value, sets+1
			}
			row = append(row, plainNumber(value, iou.Format))
		}
		mean := math.NaN()
		if sets > 0 {
			mean = sum / float64(sets)
		}
		table.Rows = append(table.Rows, append(row, plainNumber(mean, iou.Format)))
	}
	return table
}

// methodWords are the results of a comparison of methods in sentences.
func (a *Analysis) methodWords() (list []string) {
	for _, m := range []Metric{f1, metricOf("ap")} {
		methods := a.rankedMethods(m)
		if len(methods) == 0 {
			continue
		}
		text := fmt.Sprintf("By %s, averaged over the test sets, %s is best with %s", m.Name, methods[0].train, m.withInterval(methods[0].Estimate))
		if len(methods) > 1 {
			lead := difference(methods[0].Estimate, methods[1].Estimate)
			text += fmt.Sprintf("; %s is second with %s", methods[1].train, m.withInterval(methods[1].Estimate))
			if unsettled(lead) {
				text += ", which is not a significant difference"
			}
		}
		list = append(list, text+".")
	}
	return list
}

// withInterval is a value with its interval in brackets.
func (m Metric) withInterval(e Estimate) string {
	text := m.Format(e.Mean)
	if e.HasInterval() {
		text += fmt.Sprintf(" (95 %% interval %s to %s)", m.Format(e.Low), m.Format(e.High))
	}
	return text
}

// methodTiles are the mean F1 of the best methods.
func (a *Analysis) methodTiles() (list []tile) {
	methods := a.rankedMethods(f1)
	for _, r := range methods[:min(4, len(methods))] {
		n := tile{Value: f1.Format(r.Mean), Label: "F1 at " + fmt.Sprintf("%g", a.Threshold) + ", " + r.train}
		if r.HasInterval() {
			n.Under = "95 % interval: " + f1.Format(r.Low) + " to " + f1.Format(r.High)
		}
		list = append(list, n)
	}
	return list
}

// matrix shows every picture with the maps of all methods; nil if there are no pictures.
func (a *Analysis) matrix() *pageMatrix {
	m := &pageMatrix{Heads: append([]string{"picture", "truth"}, a.Train...)}
	for _, p := range a.Pictures {
		row := pageRow{Name: p.Test + ": " + p.Name, Figures: []pageImage{
			{URL: dataURL(p.Image), Alt: "picture " + p.Name}, {URL: dataURL(p.Mask), Alt: "manipulated area of " + p.Name},
		}}
		for _, method := range a.Train {
			row.Figures = append(row.Figures, methodImage(p, method))
		}
		m.Rows = append(m.Rows, row)
	}
	if len(m.Rows) == 0 {
		return nil
	}
	return m
}

// methodImage is a method's map of a picture with its scores; a map that is missing has no address.
func methodImage(p Picture, method string) pageImage {
	i := slices.IndexFunc(p.Maps, func(m Map) bool { return m.Train == method })
	if i < 0 {
		return pageImage{Under: "missing"}
	}
	m := p.Maps[i]
	image := pageImage{URL: dataURL(m.Image), Alt: "map of " + method + " for " + p.Name}
	if !math.IsNaN(m.IoU) {
		image.Under = fmt.Sprintf("IoU %.0f %%, F1 %.2f", m.IoU, m.F1)
	}
	return image
}
