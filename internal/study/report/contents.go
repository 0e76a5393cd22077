package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// section is a part of the report: figures and tables under one title.
type section struct {
	title   string
	intro   string
	figures []*Figure
	tables  []Table
}

// contents are the sections with the study's results, by its kind.
func (a *Analysis) contents() []section {
	switch a.Kind {
	case Layers:
		return a.layerSections()
	case Decoders:
		return a.barSections("decoder")
	case Backbones:
		return a.barSections("backbone")
	case Robustness:
		return a.robustSections()
	case Figure2:
		return a.methodSections()
	}
	return a.crossSections()
}

func (a *Analysis) crossSections() []section {
	v, t := a.Variants[0], a.Treatments[0]
	f := a.crossFigure(v, t, iou)
	f.Title = "IoU (%) by training set (rows) and test set (columns)"
	f.Caption = "Darker cells are better: more of the manipulated area is found, and less outside it is marked." + a.intervalWords()
	if len(a.pairs(true)) > 0 {
		f.Caption = "Outlined cells (the diagonal): the model was tested on the kind of manipulation it was trained on. " + f.Caption
	}
	averages := a.averagesTable(v, t)
	averages.Caption = "In the averages, every pair of sets has the same weight." + a.flaggedCaption(averages)
	s := []section{{title: "Every model on every test set", figures: []*Figure{f}, tables: []Table{averages}}}
	if a.Dolos {
		s[0].tables = append([]Table{a.paperTable(v, t)}, s[0].tables...)
	}
	if rest := a.otherScores(v, t); len(rest) > 0 {
		intro := ""
		if a.Bootstrap > 0 {
			intro = "The smaller numbers are the 95 % confidence interval of the value above them."
		}
		s = append(s, section{title: "The numbers behind the figure, and other scores", intro: intro, tables: rest})
	}
	return s
}

// otherScores are the tables of training set by test set for IoU, F1, AP and the scores over all
// pixels.
func (a *Analysis) otherScores(v string, t Treatment) (list []Table) {
	for _, m := range a.measured(slices.Concat([]Metric{iou, f1, metricOf("ap")}, plainMetrics)) {
		list = append(list, a.crossTable(v, t, m))
	}
	return list
}

func (a *Analysis) intervalWords() string {
	if a.Bootstrap == 0 {
		return ""
	}
	return " The smaller numbers are 95 % confidence intervals with regard to the choice of test pictures."
}

func (a *Analysis) flaggedCaption(t Table) string {
	if len(t.Rows) == len(Metrics) {
		return ""
	}
	return " Untouched pictures contain nothing to find. For them the table has the share that is flagged by mistake because more than 1 % of the pixels are marked."
}

// variantSeries are the averages of the groups, by variant.
func (a *Analysis) variantSeries(m Metric) (list []series) {
	for i, g := range a.groups() {
		s := series{name: g.name, style: lineStyles[i]}
		for _, v := range a.Variants {
			s.values = append(s.values, a.mean(v, a.Treatments[0], m.Key, g.pairs))
		}
		list = append(list, s)
	}
	return list
}

func (a *Analysis) layerSections() []section {
	names := make([]string, len(a.Variants))
	for i, v := range a.Variants {
		names[i] = strings.TrimPrefix(v, "layer")
	}
	f := curveFigure("layers-iou", "layer of the backbone", "IoU (%)", names, a.variantSeries(iou))
	f.Title = "IoU by layer"
	f.Caption = "Each point is a decoder trained on the output of one layer, averaged over the pairs of training and test set." + a.bandWords()
	return []section{{title: "Layer by layer", figures: []*Figure{f}, tables: a.variantsTables("layer")}}
}

func (a *Analysis) bandWords() string {
	if a.Bootstrap == 0 {
		return ""
	}
	return " The bands are 95 % confidence intervals with regard to the choice of test pictures."
}

func (a *Analysis) barSections(what string) []section {
	f := barFigure(a.Kind+"-iou", "IoU (%)", iou, a.Variants, a.variantSeries(iou))
	f.Title = "IoU by " + what
	f.Caption = "Averages over the pairs of training and test set."
	if a.Bootstrap > 0 {
		f.Caption += " The thin lines are 95 % confidence intervals with regard to the choice of test pictures."
	}
	return []section{{title: capital(what) + " by " + what, figures: []*Figure{f}, tables: a.variantsTables(what)}}
}

func (a *Analysis) robustSections() []section {
	v := a.Variants[0]
	s := section{title: "Treated pictures", intro: "The test pictures were treated before the models saw them; the masks are the same. The treatment becomes stronger from left to right."}
	for _, kind := range a.treatmentKinds() {
		list := []Treatment{a.Treatments[0]}
		names := []string{"none"}
		for _, t := range a.Treatments {
			if t.Kind == kind {
				list, names = append(list, t), append(names, t.Strength)
			}
		}
		var lines []series
		for i, g := range a.groups() {
			line := series{name: g.name, style: lineStyles[i]}
			for _, t := range list {
				line.values = append(line.values, a.mean(v, t, iou.Key, g.pairs))
			}
			lines = append(lines, line)
		}
		f := curveFigure("robustness-"+kind, axisWords(kind), "IoU (%)", names, lines)
		f.Title = "IoU after " + kindName(kind)
		f.Caption = "Averages over the pairs of training and test set." + a.bandWords()
		s.figures = append(s.figures, f)
	}
	table := a.treatmentsTable(v)
	table.Caption = "Change is the difference from the untreated pictures, in percentage points." + a.intervalWords()
	s.tables = []Table{table}
	if len(a.measured(plainMetrics)) > 0 {
		s.tables = append(s.tables, a.treatmentsPlainTable(v))
	}
	return []section{s}
}

// axisWords names the unit of a treatment's strength.
func axisWords(kind string) string {
	switch kind {
	case "jpeg", "webp":
		return "quality"
	case "blur":
		return "sigma of the blur in pixels"
	case "resize":
		return "scale"
	case "noise":
		return "sigma of the noise in levels of 255"
	}
	return "strength"
}

// tile is one of the few numbers at the top of the page.
type tile struct{ Value, Unit, Label, Under string }

// tiles are the numbers that summarise the study.
func (a *Analysis) tiles() (list []tile) {
	if a.Kind == Figure2 {
		return a.methodTiles()
	}
	v, t := a.Variants[0], a.Treatments[0]
	if len(a.Variants) > 1 {
		if v = a.bestVariant(t, iou.Key, a.groups()[len(a.groups())-1]); v == "" {
			return nil
		}
	}
	suffix := ""
	if len(a.Variants) > 1 {
		suffix = ", " + v
	}
	add := func(label string, e Estimate, format func(float64) string, unit string, published float64) {
		if !e.Known() {
			return
		}
		n := tile{Value: format(e.Mean), Unit: unit, Label: label + suffix}
		if e.HasInterval() {
			n.Under = "95 % interval: " + format(e.Low) + " to " + format(e.High)
		}
		if a.Dolos && a.Kind == CrossGenerator && !math.IsNaN(published) {
			n.Under = strings.TrimPrefix(n.Under+fmt.Sprintf(" · paper: %.2f", published), " · ")
		}
		list = append(list, n)
	}
	for _, g := range a.groups() {
		published := map[string]float64{"id": publishedID, "ood": publishedOOD, "all": math.NaN()}[g.key]
		add("IoU "+g.name, a.mean(v, t, iou.Key, g.pairs), iou.Format, "%", published)
	}
	if len(a.groups()) == 2 {
		add("in-domain minus out-of-domain", difference(a.ID(v, t, iou.Key), a.OOD(v, t, iou.Key)), iou.signed, "points", math.NaN())
		worst, _ := a.worst(v, t, iou.Key)
		add("lowest pair, "+worst.train+" → "+worst.test, worst.Estimate, iou.Format, "%", publishedWorst)
	}
	return list
}
