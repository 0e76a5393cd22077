package report

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is an average with its 95 % confidence interval with regard to the choice of test
// pictures.
type Estimate struct {
	Mean  float64 `json:"mean"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Count int     `json:"count"` // pictures in a cell's average; cells in an average of cells
	draws []float64
}

// Known reports whether there is an average.
func (e Estimate) Known() bool { return e.Count > 0 }

// HasInterval reports whether Low and High are an interval.
func (e Estimate) HasInterval() bool { return len(e.draws) > 0 }

// unknown is an average of no values.
func unknown() Estimate { return Estimate{Mean: math.NaN(), Low: math.NaN(), High: math.NaN()} }

// place names a cell of the grid.
type place struct {
	variant, train, test string
	treatment            Treatment
}

// Analysis has the averages of a study and their bootstrap. The pictures of each test set are
// resampled with replacement, in the same way for all models, so that models are compared on the
// same pictures.
type Analysis struct {
	*Results
	cells map[place]*Cell
	draws map[string][][]int32 // by test set: Bootstrap draws of picture indices
	known map[place]map[string]Estimate
}

// Analyze prepares the averages of all cells.
func Analyze(r *Results) *Analysis {
	a := &Analysis{Results: r, cells: map[place]*Cell{}, draws: map[string][][]int32{}, known: map[place]map[string]Estimate{}}
	for i := range r.Cells {
		c := &r.Cells[i]
		p := place{c.Variant, c.Train, c.Test, c.Treatment}
		a.cells[p] = c
		if c.Problem != "" {
			continue
		}
		a.known[p] = map[string]Estimate{}
		for _, m := range Metrics {
			a.known[p][m.Key] = a.estimate(c, m)
		}
	}
	return a
}

// drawn gives the bootstrap samples of n pictures of a test set.
func (a *Analysis) drawn(test string, n int) [][]int32 {
	if d := a.draws[test]; len(d) > 0 && len(d[0]) == n {
		return d
	}
	name := fnv.New64a()
	name.Write([]byte(test))
	random := rand.New(rand.NewPCG(a.Seed, name.Sum64()))
	draws := make([][]int32, a.Bootstrap)
	for i := range draws {
		draws[i] = make([]int32, n)
		for j := range draws[i] {
			draws[i][j] = int32(random.IntN(n))
		}
	}
	a.draws[test] = draws
	return draws
}

// estimate averages one score of a cell over the pictures that it is defined for.
func (a *Analysis) estimate(c *Cell, m Metric) Estimate {
	values := make([]float64, len(c.Scores))
	for i, s := range c.Scores {
		values[i] = m.value(s)
	}
	mean, count := average(values, nil)
	if count == 0 {
		return unknown()
	}
	e := Estimate{Mean: mean, Low: mean, High: mean, Count: count}
	if count < 2 {
		return e
	}
	for _, d := range a.drawn(c.Test, len(values)) {
		v, n := average(values, d)
		if n == 0 {
			v = mean // the score is defined for none of the drawn pictures
		}
		e.draws = append(e.draws, v)
	}
	return e.withInterval()
}

// average is the mean of the values that are not NaN, or of those at the given indices, and their
// number.
func average(values []float64, at []int32) (float64, int) {
	sum, n := 0.0, 0
	if at == nil {
		for _, v := range values {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
	}
	for _, i := range at {
		if v := values[i]; !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(max(n, 1)), n
}

// withInterval fills in the percentiles 2.5 and 97.5 of the draws.
func (e Estimate) withInterval() Estimate {
	if len(e.draws) == 0 {
		return e
	}
	sorted := slices.Clone(e.draws)
	slices.Sort(sorted)
	at := func(q float64) float64 {
		x := q * float64(len(sorted)-1)
		i := min(int(x), max(len(sorted)-2, 0))
		next := sorted[min(i+1, len(sorted)-1)]
		return sorted[i] + (x-float64(i))*(next-sorted[i])
	}
	e.Low, e.High = at(0.025), at(0.975)
	return e
}

// Cell is the average of one cell; without scores its Count is 0.
func (a *Analysis) Cell(variant, train, test string, t Treatment, metric string) Estimate {
	if e, ok := a.known[place{variant, train, test, t}][metric]; ok {
		return e
	}
	return unknown()
}

// Problem is why a cell has no scores; "" if it has.
func (a *Analysis) Problem(variant, train, test string, t Treatment) string {
	c := a.cells[place{variant, train, test, t}]
	switch {
	case c == nil:
		return "not run"
	case c.Problem != "":
		return c.Problem
	}
	return ""
}

// pair is a training set and a test set.
type pair struct{ train, test string }

// pairs lists the pairs with equal names (in-domain) or with different ones (out-of-domain).
func (a *Analysis) pairs(same bool) (list []pair) {
	for _, train := range a.Train {
		for _, test := range a.Test {
			if (train == test) == same {
				list = append(list, pair{train, test})
			}
		}
	}
	return list
}

// mean averages cells, each with equal weight.
func (a *Analysis) mean(variant string, t Treatment, metric string, pairs []pair) Estimate {
	var list []Estimate
	for _, p := range pairs {
		if e := a.Cell(variant, p.train, p.test, t, metric); e.Known() {
			list = append(list, e)
		}
	}
	return meanOf(list)
}

// meanOf averages estimates, draw by draw.
func meanOf(list []Estimate) Estimate {
	if len(list) == 0 {
		return unknown()
	}
	e := Estimate{Count: len(list)}
	for _, other := range list {
		e.Mean += other.Mean / float64(len(list))
	}
	e.Low, e.High = e.Mean, e.Mean
	for i := range list[0].draws {
		v := 0.0
		for _, other := range list {
			if i >= len(other.draws) { // without one interval there is none of the mean
				e.draws = nil
				return e
			}
			v += other.draws[i] / float64(len(list))
		}
		e.draws = append(e.draws, v)
	}
	return e.withInterval()
}

// ID is the mean over the pairs of a set with itself.
func (a *Analysis) ID(variant string, t Treatment, metric string) Estimate {
	return a.mean(variant, t, metric, a.pairs(true))
}

// OOD is the mean over all other pairs.
func (a *Analysis) OOD(variant string, t Treatment, metric string) Estimate {
	return a.mean(variant, t, metric, a.pairs(false))
}

// difference is x - y on the same draws.
func difference(x, y Estimate) Estimate {
	if !x.Known() || !y.Known() {
		return unknown()
	}
	e := Estimate{Mean: x.Mean - y.Mean, Count: min(x.Count, y.Count)}
	e.Low, e.High = e.Mean, e.Mean
	if len(x.draws) != len(y.draws) {
		return e
	}
	for i, v := range x.draws {
		e.draws = append(e.draws, v-y.draws[i])
	}
	return e.withInterval()
}

// ranked is a pair with its average.
type ranked struct {
	pair
	Estimate
}

// rank lists the known pairs, the highest average first.
func (a *Analysis) rank(variant string, t Treatment, metric string, pairs []pair) []ranked {
	var list []ranked
	for _, p := range pairs {
		if e := a.Cell(variant, p.train, p.test, t, metric); e.Known() {
			list = append(list, ranked{p, e})
		}
	}
	slices.SortStableFunc(list, func(x, y ranked) int { return cmp.Compare(y.Mean, x.Mean) })
	return list
}

// worst is the lowest of the out-of-domain cells.
func (a *Analysis) worst(variant string, t Treatment, metric string) (ranked, bool) {
	list := a.rank(variant, t, metric, a.pairs(false))
	if len(list) == 0 {
		return ranked{Estimate: unknown()}, false
	}
	return list[len(list)-1], true
}

// Missing lists the cells without scores, in the order of the grid.
func (a *Analysis) Missing() []Cell {
	var list []Cell
	for _, v := range a.Variants {
		for _, train := range a.Train {
			for _, test := range a.Test {
				for _, t := range a.Treatments {
					if problem := a.Problem(v, train, test, t); problem != "" {
						list = append(list, Cell{Variant: v, Train: train, Test: test, Treatment: t, Problem: problem})
					}
				}
			}
		}
	}
	return list
}

// cellCount is the size of the grid.
func (a *Analysis) cellCount() int {
	return len(a.Variants) * len(a.Train) * len(a.Test) * len(a.Treatments)
}

// flagged is the share of the untouched pictures of a cell that the model flags, and their number.
func (a *Analysis) flagged(variant, train, test string, t Treatment) (float64, int) {
	c := a.cells[place{variant, train, test, t}]
	if c == nil {
		return 0, 0
	}
	n, flagged := 0, 0
	for _, s := range c.Scores {
		if !s.Manipulated {
			n++
			if s.Flagged {
				flagged++
			}
		}
	}
	return float64(flagged) / float64(max(n, 1)), n
}
