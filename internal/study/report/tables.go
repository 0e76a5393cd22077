package report

import (
	"fmt"
	"math"
	"strings"
)

// iou is the headline metric.
var iou = Metrics[0]

// group is a set of pairs under one name: the lines of figures, the columns of tables.
type group struct {
	key, name string
	pairs     []pair
}

// groups are the in-domain and the out-of-domain pairs. Models that were not trained on any of the
// sets have only one group.
func (a *Analysis) groups() (list []group) {
	id, od := a.pairs(true), a.pairs(false)
	if len(id) == 0 {
		return []group{{"all", "all test sets", od}}
	}
	list = append(list, group{"id", "in-domain", id})
	if len(od) > 0 {
		list = append(list, group{"ood", "out-of-domain", od})
	}
	return list
}

// crossTable is the table of training sets against test sets.
func (a *Analysis) crossTable(variant string, t Treatment, m Metric) Table {
	table := Table{Name: "cross-" + m.Key, Title: m.Name + " of every model on every test set",
		Columns: []Column{{"trained_on", "trained on", false}}}
	for _, test := range a.Test {
		table.Columns = append(table.Columns, Column{test, test, true})
	}
	hasOD := len(a.pairs(false)) > 0 && len(a.pairs(true)) > 0
	if hasOD {
		table.Columns = append(table.Columns, Column{"out_of_domain_mean", "mean of the others", true})
	}
	for _, train := range a.Train {
		row := []Value{headValue(train)}
		var others []pair
		for _, test := range a.Test {
			v := numberValue(a.Cell(variant, train, test, t, m.Key), m.Format)
			if problem := a.Problem(variant, train, test, t); problem != "" {
				v = missing(problem)
			}
			if train == test {
				v.Class += " id"
			} else {
				others = append(others, pair{train, test})
			}
			row = append(row, v)
		}
		if hasOD {
			row = append(row, numberValue(a.mean(variant, t, m.Key, others), m.Format))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// averagesTable has in-domain and out-of-domain averages, their difference and the worst pair of
// every score, for one variant.
func (a *Analysis) averagesTable(variant string, t Treatment) Table {
	table := Table{Name: "averages", Title: "All scores, averaged over the grid", Columns: []Column{{"score", "score", false}}}
	groups := a.groups()
	for _, g := range groups {
		table.Columns = append(table.Columns, Column{g.key, g.name, true})
	}
	if len(groups) == 2 {
		table.Columns = append(table.Columns, Column{"difference", "difference", true}, Column{"worst_ood", "lowest out-of-domain", true},
			Column{"worst_pair", "pair with the lowest", false})
	}
	for _, m := range a.measured(Metrics) {
		name := m.Name
		if m.Percent {
			name += " (%)"
		}
		row := []Value{headValue(name)}
		for _, g := range groups {
			row = append(row, numberValue(a.mean(variant, t, m.Key, g.pairs), m.Format))
		}
		if len(groups) == 2 {
			row = append(row, a.differenceAndWorst(variant, t, m)...)
		}
		table.Rows = append(table.Rows, row)
	}
	if row, ok := a.flaggedRow(variant, t, groups); ok {
		table.Rows = append(table.Rows, row)
	}
	return table
}

// paperTable compares the averages with the published ones.
func (a *Analysis) paperTable(variant string, t Treatment) Table {
	worst, _ := a.worst(variant, t, iou.Key)
	published := func(v float64) Value {
		return plainNumber(v, func(v float64) string { return fmt.Sprintf("%.2f", v) })
	}
	return Table{Name: "paper", Title: "Mean IoU (%), compared with the paper",
		Columns: []Column{{"whose", "", false}, {"id", "in-domain", true}, {"ood", "out-of-domain", true}, {"worst_ood", "lowest out-of-domain", true}},
		Caption: "The paper's numbers are for ViT-L/14 with the decoder conv-20 on the same four sets of Dolos.",
		Rows: [][]Value{
			{headValue("this study"), numberValue(a.ID(variant, t, iou.Key), iou.Format), numberValue(a.OOD(variant, t, iou.Key), iou.Format), numberValue(worst.Estimate, iou.Format)},
			{headValue("the paper"), published(publishedID), published(publishedOOD), published(publishedWorst)},
		}}
}

// differenceAndWorst are the last three columns of averagesTable.
func (a *Analysis) differenceAndWorst(variant string, t Treatment, m Metric) []Value {
	gap := difference(a.ID(variant, t, m.Key), a.OOD(variant, t, m.Key))
	worst, ok := a.worst(variant, t, m.Key)
	which := ""
	if ok {
		which = worst.train + " → " + worst.test
	}
	return []Value{numberValue(gap, m.signed), numberValue(worst.Estimate, m.Format), textValue(which)}
}

// signed is Format with a sign.
func (m Metric) signed(v float64) string {
	text := m.Format(v)
	if v <= 0 || strings.Trim(text, "0.") == "" {
		return text
	}
	return "+" + text
}

// flaggedRow has the share of untouched pictures that are flagged, and false if the test sets have
// none.
func (a *Analysis) flaggedRow(variant string, t Treatment, groups []group) ([]Value, bool) {
	row := []Value{headValue("untouched flagged (%)")}
	seen := false
	for _, g := range groups {
		sum, cells := 0.0, 0
		for _, p := range g.pairs {
			if share, n := a.flagged(variant, p.train, p.test, t); n > 0 {
				sum, cells = sum+100*share, cells+1
			}
		}
		value := math.NaN()
		if cells > 0 {
			value, seen = sum/float64(cells), true
		}
		row = append(row, plainNumber(value, iou.Format))
	}
	if len(groups) == 2 {
		row = append(row, textValue(""), textValue(""), textValue(""))
	}
	return row, seen
}

// variantsTables are the table of the variants' IoU and AP, and that of the scores over all pixels.
func (a *Analysis) variantsTables(what string) []Table {
	table := a.variantsTable(a.Kind, "IoU and AP by "+what, what, []Metric{iou, metricOf("ap")})
	if groups := a.groups(); len(groups) == 2 {
		table.Columns = append(table.Columns, Column{"iou_difference", "IoU, difference", true}, Column{"iou_worst_ood", "IoU %, lowest out-of-domain", true})
		for i, variant := range a.Variants {
			values := a.differenceAndWorst(variant, a.Treatments[0], iou)
			if values[1].Known() {
				values[1].Under = values[2].Text
			}
			table.Rows[i] = append(table.Rows[i], values[:2]...)
		}
	}
	table.Caption = "The highest values are in bold." + a.intervalWords()
	if len(a.measured(plainMetrics)) == 0 {
		return []Table{table}
	}
	plain := a.variantsTable(a.Kind+"-plain", "Scores over all pixels by "+what, what, plainMetrics)
	plain.Caption = table.Caption
	return []Table{table, plain}
}

// variantsTable has a row for each layer, decoder or backbone, and a column for each score and
// group.
func (a *Analysis) variantsTable(name, title, what string, metrics []Metric) Table {
	t := a.Treatments[0]
	table := Table{Name: name, Title: title, Columns: []Column{{"variant", what, false}}}
	groups := a.groups()
	best := map[string]string{}
	for _, m := range metrics {
		for _, g := range groups {
			unit := ""
			if m.Percent {
				unit = " %"
			}
			table.Columns = append(table.Columns, Column{m.Key + "_" + g.key, m.Name + unit + ", " + g.name, true})
			best[m.Key+g.key] = a.bestVariant(t, m.Key, g)
		}
	}
	for _, variant := range a.Variants {
		row := []Value{headValue(variant)}
		for _, m := range metrics {
			for _, g := range groups {
				v := numberValue(a.mean(variant, t, m.Key, g.pairs), m.Format)
				if !v.Known() {
					v = missing("no cell has scores")
				}
				if best[m.Key+g.key] == variant {
					v.Class = "best"
				}
				row = append(row, v)
			}
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// metricOf finds a metric by its key.
func metricOf(key string) Metric {
	for _, m := range Metrics {
		if m.Key == key {
			return m
		}
	}
	return Metric{}
}

// bestVariant is the variant with the highest average; "" if there is none.
func (a *Analysis) bestVariant(t Treatment, metric string, g group) string {
	best, high := "", math.Inf(-1)
	for _, v := range a.Variants {
		if e := a.mean(v, t, metric, g.pairs); e.Known() && e.Mean > high {
			best, high = v, e.Mean
		}
	}
	return best
}

// treatmentsTable has a row for each treatment of the test pictures.
func (a *Analysis) treatmentsTable(variant string) Table {
	table := Table{Name: "robustness", Title: "IoU after treatment", Columns: []Column{{"treatment", "treatment", false}}}
	groups := a.groups()
	for _, g := range groups {
		table.Columns = append(table.Columns, Column{g.key, g.name + " IoU %", true}, Column{g.key + "_change", "change", true})
	}
	for _, t := range a.Treatments {
		row := []Value{headValue(t.words())}
		for _, g := range groups {
			e := a.mean(variant, t, iou.Key, g.pairs)
			change := Value{isNumber: true, Estimate: unknown()}
			if t.Kind != "" {
				change = numberValue(difference(e, a.mean(variant, a.Treatments[0], iou.Key, g.pairs)), iou.signed)
			}
			row = append(row, numberValue(e, iou.Format), change)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// treatmentsPlainTable has the scores over all pixels for each treatment of the test pictures.
func (a *Analysis) treatmentsPlainTable(variant string) Table {
	table := Table{Name: "robustness-plain", Title: "Scores over all pixels after treatment", Columns: []Column{{"treatment", "treatment", false}}}
	for _, m := range plainMetrics {
		for _, g := range a.groups() {
			table.Columns = append(table.Columns, Column{m.Key + "_" + g.key, m.Name + ", " + g.name, true})
		}
	}
	for _, t := range a.Treatments {
		row := []Value{headValue(t.words())}
		for _, m := range plainMetrics {
			for _, g := range a.groups() {
				row = append(row, numberValue(a.mean(variant, t, m.Key, g.pairs), m.Format))
			}
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// cellsTable has a row for every cell of the grid, with every score.
func (a *Analysis) cellsTable() Table {
	table := Table{Name: "cells", Title: "Every model on every test set", Columns: []Column{
		{"variant", "variant", false}, {"trained_on", "trained on", false}, {"tested_on", "tested on", false},
		{"treatment", "treatment", false}, {"pictures", "pictures", false}}}
	for _, m := range Metrics {
		table.Columns = append(table.Columns, Column{m.Key, m.Name, true})
	}
	table.Columns = append(table.Columns, Column{"untouched", "untouched", false}, Column{"flagged_percent", "flagged %", false}, Column{"problem", "problem", false})
	if a.pooled() {
		for _, p := range pooledColumns {
			table.Columns = append(table.Columns, p.Column)
		}
	}
	for _, v := range a.Variants {
		for _, train := range a.Train {
			for _, test := range a.Test {
				for _, t := range a.Treatments {
					table.Rows = append(table.Rows, a.cellRow(v, train, test, t))
				}
			}
		}
	}
	return table
}

// cellRow is one row of cellsTable.
func (a *Analysis) cellRow(variant, train, test string, t Treatment) []Value {
	problem := a.Problem(variant, train, test, t)
	n := a.Cell(variant, train, test, t, iou.Key).Count
	row := []Value{textValue(variant), textValue(train), textValue(test), textValue(t.String()), textValue(fmt.Sprint(n))}
	for _, m := range Metrics {
		row = append(row, numberValue(a.Cell(variant, train, test, t, m.Key), m.Format))
	}
	share, untouched := a.flagged(variant, train, test, t)
	flagged := math.NaN()
	if untouched > 0 {
		flagged = 100 * share
	}
	row = append(row, textValue(fmt.Sprint(untouched)), plainNumber(flagged, iou.Format), textValue(problem))
	if !a.pooled() {
		return row
	}
	c := a.cells[place{variant, train, test, t}]
	for _, p := range pooledColumns {
		v := math.NaN()
		if c != nil && c.Pooled != nil {
			v = p.of(*c.Pooled)
		}
		row = append(row, plainNumber(v, p.metric.Format))
	}
	return row
}
