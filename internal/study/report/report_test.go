package report

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// simple is a study of two sets with one score a cell and picture: IoU as given, by training set,
// then test set.
func simple(ious [2][2][]float64) *Results {
	r := &Results{Kind: CrossGenerator, Variants: []string{""}, Train: []string{"a", "b"}, Test: []string{"a", "b"}, Treatments: []Treatment{{}}, Bootstrap: 500, Seed: 7}
	for i, train := range r.Train {
		for j, test := range r.Test {
			c := Cell{Train: train, Test: test}
			for _, v := range ious[i][j] {
				c.Scores = append(c.Scores, Score{Manipulated: true, IoU: v})
			}
			r.Cells = append(r.Cells, c)
		}
	}
	return r
}

func TestAverages(t *testing.T) {
	nan := math.NaN()
	a := Analyze(simple([2][2][]float64{{{60, 80, nan}, {10, 30}}, {{20, 20, 20}, {50, 40}}}))
	for _, c := range []struct {
		name string
		got  Estimate
		mean float64
		n    int
	}{
		{"cell", a.Cell("", "a", "a", Treatment{}, "iou"), 70, 2}, // the third is not defined
		{"ID", a.ID("", Treatment{}, "iou"), 57.5, 2},
		{"OOD", a.OOD("", Treatment{}, "iou"), 20, 2},
		{"difference", difference(a.ID("", Treatment{}, "iou"), a.OOD("", Treatment{}, "iou")), 37.5, 2},
	} {
		if math.Abs(c.got.Mean-c.mean) > 1e-12 || c.got.Count != c.n {
			t.Errorf("%s is %g of %d, want %g of %d", c.name, c.got.Mean, c.got.Count, c.mean, c.n)
		}
		if !(c.got.Low <= c.mean && c.mean <= c.got.High && c.got.Low < c.got.High) {
			t.Errorf("%s: interval %g to %g does not hold %g", c.name, c.got.Low, c.got.High, c.mean)
		}
	}
	if w, ok := a.worst("", Treatment{}, "iou"); !ok || w.Mean != 20 {
		t.Errorf("worst is %+v", w)
	}
}

// The interval of a mean of n values is near 1.96 standard errors, and models are compared on the
// same draws: where one is better by the same amount on every picture, nothing is left to chance.
func TestBootstrap(t *testing.T) {
	var one, other []float64
	for i := range 400 {
		v := float64(i % 100)
		one, other = append(one, v), append(other, v-5)
	}
	r := simple([2][2][]float64{{one, one}, {other, other}})
	r.Bootstrap = 2000
	a := Analyze(r)
	e := a.Cell("", "a", "a", Treatment{}, "iou")
	want := 1.96 * 28.87 / 20 // of a uniform distribution
	if got := (e.High - e.Low) / 2; math.Abs(got-want) > 0.15*want {
		t.Errorf("half the interval is %.3f, want about %.3f", got, want)
	}
	d := difference(e, a.Cell("", "b", "a", Treatment{}, "iou"))
	if math.Abs(d.Mean-5) > 1e-9 || d.High-d.Low > 1e-9 {
		t.Errorf("difference %g, %g to %g, want 5 without doubt", d.Mean, d.Low, d.High)
	}
	again := Analyze(r).Cell("", "a", "a", Treatment{}, "iou")
	if again.Low != e.Low || again.High != e.High {
		t.Error("the same results gave another interval")
	}
}

func TestSummary(t *testing.T) {
	better := [2][2][]float64{{{70, 72, 74}, {10, 12, 14}}, {{20, 22, 24}, {50, 52, 54}}}
	same := [2][2][]float64{{{10, 90}, {10, 90}}, {{10, 90}, {10, 90}}}
	for _, c := range []struct {
		name string
		ious [2][2][]float64
		want []string
	}{
		{"better", better, []string{"IoU of 62.0 % (95 % interval", "it reaches 17.0 %", "The diagonal is above the off-diagonal by 45.0 points", "2 of 2 models are best on the kind they were trained on",
			"and least from a to b (12.0 %"}},
		{"same", same, []string{"by 0.0 points", "which is not significant"}},
		{"worse", [2][2][]float64{better[1], better[0]}, []string{"The diagonal is below the off-diagonal by 45.0 points"}},
	} {
		text := strings.Join(Analyze(simple(c.ious)).Summary(), "\n")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, text)
			}
		}
	}
	r := simple(better)
	r.Cells[1].Problem, r.Cells[1].Scores = "no such folder", nil
	a := Analyze(r)
	if text := strings.Join(a.Summary(), "\n"); !strings.Contains(text, "1 of 4 cells (a model on a test set) are missing") {
		t.Error(text)
	}
	if od := a.OOD("", Treatment{}, "iou"); od.Mean != 22 || od.Count != 1 {
		t.Errorf("OOD without the missing cell is %+v", od)
	}
	if list := a.missingList(); len(list) != 1 || list[0] != (pageMissing{"a → b", "no such folder"}) {
		t.Errorf("missing: %+v", list)
	}
}

// The page compares with the paper's numbers for its four sets only.
func TestDolos(t *testing.T) {
	r := made(t, CrossGenerator, 20)
	const want = "73.85 % in-domain, 34.72 % out-of-domain and 4.90 %"
	if text := strings.Join(Analyze(r).Summary(), "\n"); strings.Contains(text, "paper") {
		t.Error("other sets are compared with the paper's")
	}
	r.Dolos = true
	if text := strings.Join(Analyze(r).Summary(), "\n"); !strings.Contains(text, want) {
		t.Errorf("no %q in %s", want, text)
	}
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	if text := read(t, filepath.Join(dir, "tables", "paper.csv")); !strings.Contains(text, "the paper,73.85,,,34.72,,,4.9,,") {
		t.Errorf("the paper's numbers are not in the table:\n%s", text)
	}
}

var outside = regexp.MustCompile(`(?i)<script|<link|<iframe|@import|url\(|(src|href)="(?:[^"d#]|d[^"a])`)

// Every kind of report is one page that needs no other files, with all its figures and tables as
// files, too.
func TestWrite(t *testing.T) {
	for kind, files := range map[string][]string{
		CrossGenerator: {"figures/cross-iou", "tables/averages", "tables/cross-iou", "tables/cross-f1", "tables/cross-ap",
			"tables/cross-f1_plain", "tables/cross-balanced_accuracy", "tables/cross-mcc", "tables/cells"},
		Layers:     {"figures/layers-iou", "tables/layers", "tables/layers-plain", "tables/cells"},
		Decoders:   {"figures/decoders-iou", "tables/decoders", "tables/decoders-plain", "tables/cells"},
		Backbones:  {"figures/backbones-iou", "tables/backbones", "tables/backbones-plain", "tables/cells"},
		Robustness: {"figures/robustness-jpeg", "figures/robustness-blur", "tables/robustness", "tables/robustness-plain", "tables/cells"},
	} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			r := withPictures(t, made(t, kind, 12))
			r.Title = `<b>"Title" & more`
			r.Cells[2].Problem, r.Cells[2].Scores = "the <loss> is not a number", nil
			r.Cells[3].Failed, r.Cells[3].Failure = 2, "0003.jpg: truncated"
			if err := Write(dir, r); err != nil {
				t.Fatal(err)
			}
			page := read(t, filepath.Join(dir, PageFile))
			checkPage(t, page)
			for _, want := range []string{"&lt;b&gt;&#34;Title&#34; &amp; more", "the &lt;loss&gt; is not a number", "0003.jpg: truncated", "How it was run", "<svg role=\"img\" aria-label="} {
				if !strings.Contains(page, want) {
					t.Errorf("the page has no %q", want)
				}
			}
			if got := strings.Count(page, `src="data:image/`); got < 6*3 {
				t.Errorf("%d pictures, want 18 at least", got)
			}
			for _, name := range files {
				checkFiles(t, filepath.Join(dir, name))
			}
			checkResults(t, filepath.Join(dir, ResultsFile), kind)
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkPage checks that a page refers to nothing outside and that its elements are closed.
func checkPage(t *testing.T, page string) {
	t.Helper()
	if at := outside.FindStringIndex(page); at != nil {
		t.Errorf("the page refers to something outside: %s", page[at[0]:min(at[1]+60, len(page))])
	}
	for _, name := range []string{"section", "figure", "table", "tr", "td", "th", "div", "p", "dl", "svg", "figcaption", "ul", "li", "h2", "h3"} {
		opened := len(regexp.MustCompile(`<`+name+`[ >]`).FindAllString(page, -1))
		if closed := strings.Count(page, "</"+name+">"); opened != closed {
			t.Errorf("%d <%s> opened, %d closed", opened, name, closed)
		}
	}
}

// checkFiles checks a figure (SVG, PNG) or a table (CSV, JSON).
func checkFiles(t *testing.T, path string) {
	t.Helper()
	if strings.Contains(path, figuresDir) {
		d := xml.NewDecoder(strings.NewReader(read(t, path+".svg")))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s.svg: %v", path, err)
			}
		}
		m, err := png.DecodeConfig(strings.NewReader(read(t, path+".png")))
		if err != nil || m.Width < 900 {
			t.Errorf("%s.png: %v, %d pixels wide", path, err, m.Width)
		}
		return
	}
	rows, err := csv.NewReader(strings.NewReader(read(t, path+".csv"))).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s.csv: %v, %d rows", path, err, len(rows))
	}
	var table struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(read(t, path+".json")), &table); err != nil || len(table.Rows) != len(rows)-1 {
		t.Errorf("%s.json: %v, %d rows, the CSV has %d", path, err, len(table.Rows), len(rows)-1)
	}
}

func checkResults(t *testing.T, path, kind string) {
	t.Helper()
	var got struct {
		Study   string
		Summary []string
		IoU     map[string]struct{ ID, OOD *Estimate }
		Cells   struct{ Rows []map[string]any }
	}
	if err := json.Unmarshal([]byte(read(t, path)), &got); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if got.Study != kind || len(got.Summary) == 0 || len(got.IoU) == 0 || len(got.Cells.Rows) == 0 {
		t.Errorf("%s: %+v", path, got)
	}
	for name, v := range got.IoU {
		if v.ID == nil || v.OOD == nil || !(v.ID.Low <= v.ID.Mean && v.ID.Mean <= v.ID.High) {
			t.Errorf("%s: averages of %q are %+v", path, name, v)
		}
	}
}

func TestTableFiles(t *testing.T) {
	e := Estimate{Mean: 1.0 / 3, Low: 0.25, High: 0.5, Count: 4, draws: []float64{0.25, 0.5}}
	table := Table{Name: "x", Title: "X", Columns: []Column{{"name", "name", false}, {"iou", "IoU", true}, {"flagged", "flagged", false}},
		Rows: [][]Value{
			{headValue("a,b"), numberValue(e, iou.Format), plainNumber(2, iou.Format)},
			{headValue("c"), missing("gone"), plainNumber(math.NaN(), iou.Format)},
		}}
	if got, want := string(table.CSV()), "name,iou,iou_low,iou_high,flagged\n\"a,b\",0.3333333333333333,0.25,0.5,2\nc,,,,\n"; got != want {
		t.Errorf("CSV is\n%swant\n%s", got, want)
	}
	data, err := table.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"mean": 0.3333333333333333`, `"low": 0.25`, `"count": 4`, `"flagged": 2`, `"iou": null`, `"flagged": null`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("JSON has no %s:\n%s", want, data)
		}
	}
}

// A study of which nothing is known yet has a page all the same.
func TestNothingKnown(t *testing.T) {
	for _, kind := range []string{CrossGenerator, Layers, Decoders, Backbones, Robustness, Figure2} {
		r := made(t, kind, 3)
		for i := range r.Cells {
			r.Cells[i].Problem, r.Cells[i].Scores = "not yet", nil
		}
		dir := t.TempDir()
		if err := Write(dir, r); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if page := read(t, filepath.Join(dir, PageFile)); !strings.Contains(page, "cells (a model on a test set) are missing") || strings.Contains(page, "NaN") {
			t.Errorf("%s: the page does not say that cells are missing, or shows NaN", kind)
		}
	}
}

func TestClock(t *testing.T) {
	for seconds, want := range map[float64]string{0: "", 3.14: "3.1 s", 75: "75 s", 312: "5 min 12 s", 7290: "2 h 01 min"} {
		if got := clock(seconds); got != want {
			t.Errorf("%g is %q, want %q", seconds, got, want)
		}
	}
	if got := thousands(52243521); got != "52\u202f243\u202f521" {
		t.Error(got)
	}
}

func TestWrap(t *testing.T) {
	for name, want := range map[string]string{
		"inpaint-diffusion": "inpaint-\ndiffusion", "splice": "splice", "copy-move": "copy-move", "ViT-L/14,RN50 layer20,layer3": "ViT-L/14,\nRN50\nlayer20,\nlayer3",
		"a b c": "a b c", "one two three": "one two\nthree",
	} {
		if got := wrap(name, 11); got != want {
			t.Errorf("%q is wrapped as %q, want %q", name, got, want)
		}
	}
}
