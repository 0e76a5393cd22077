package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is the data of the template.
type page struct {
	Title, Note, Kind, Explained, Date string
	Style                              template.CSS
	Tiles                              []tile
	Summary                            []string
	Sections                           []pageSection
	Grids                              []pageGrid
	Matrix                             *pageMatrix // of Figure2, instead of Grids
	Runs                               *Table
	Data                               *Table
	Options, Versions                  []Option
	Missing                            []pageMissing
	Cells                              *Table
	Dolos                              bool
	Threshold                          string
	Bootstrap                          int
	Untouched, Pooled                  bool
	Files                              []string
}

type pageSection struct {
	Title, Intro string
	Figures      []pageFigure
	Tables       []Table
}

type pageFigure struct {
	Figure *Figure
	SVG    template.HTML
}

type pageMissing struct{ What, Why string }

// pageGrid is a titled list of pictures.
type pageGrid struct {
	Title, Intro string
	Rows         []pageRow
}

type pageRow struct {
	Name    string
	Short   bool // few pictures, so that two rows fit side by side
	Figures []pageImage
}

type pageImage struct {
	URL       template.URL
	Alt       string
	Label     string
	Under     string
	Highlight bool
}

// longest is the largest number of cells listed on the page; longer lists are in the files only.
const longest = 40

// page fills in the template.
func (a *Analysis) page(sections []section, cells Table) ([]byte, error) {
	p := page{
		Title: a.Title, Note: a.Note, Kind: a.Kind, Explained: a.explained(), Date: a.Time.Format("2 January 2006, 15:04 MST"), Style: template.CSS(pageStyle),
		Tiles: a.tiles(), Summary: a.Summary(), Grids: a.grids(), Options: a.Options, Versions: a.Versions,
		Dolos: a.Dolos, Threshold: fmt.Sprintf("%g", a.Threshold), Bootstrap: a.Bootstrap, Untouched: a.hasUntouched(),
	}
	if a.Kind == Figure2 {
		p.Matrix, p.Grids = a.matrix(), nil
	}
	for _, s := range sections {
		out := pageSection{Title: s.title, Intro: s.intro, Tables: s.tables}
		for _, f := range s.figures {
			svg, err := f.inline()
			if err != nil {
				return nil, err
			}
			out.Figures = append(out.Figures, pageFigure{f, svg})
			p.Files = append(p.Files, "figures/"+f.Name)
		}
		for _, t := range s.tables {
			p.Files = append(p.Files, "tables/"+t.Name)
		}
		p.Sections = append(p.Sections, out)
	}
	runs, data := a.runsTable(), a.dataTable()
	p.Runs, p.Data = &runs, &data
	if len(cells.Rows) <= longest && len(a.Variants)*len(a.Treatments) > 1 {
		p.Cells = &cells
	}
	p.Missing, p.Pooled = a.missingList(), a.pooled()
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return visible(b.Bytes()), nil
}

// explained is the question of this kind of study.
func (a *Analysis) explained() string {
	switch a.Kind {
	case Layers:
		return "Which layer of a backbone shows best where a picture was manipulated? A decoder was trained on each layer and tested on the kind of manipulation it was trained on and on others."
	case Decoders:
		return "Which decoder finds manipulated areas best in a backbone's features? Each was trained on the same data and tested on the kind of manipulation it was trained on and on others."
	case Backbones:
		return "Which backbone's features show best where a picture was manipulated? A decoder was trained on each and tested on the kind of manipulation it was trained on and on others."
	case Robustness:
		return "How well does a model work on pictures that were compressed, resized, blurred or made noisy, as happens when pictures are shared on the web?"
	case Figure2:
		return "Which method finds manipulated areas best? Trained methods were run on the same pictures, and their maps are shown side by side."
	}
	return "Does a model that was trained on one kind of manipulation find other kinds, too? One model was trained on each kind, and all were tested on all kinds."
}

func (a *Analysis) hasUntouched() bool {
	for _, c := range a.Results.Cells {
		if slices.ContainsFunc(c.Scores, func(s Score) bool { return !s.Manipulated }) {
			return true
		}
	}
	return false
}

// missingList groups missing cells by their reason, then pictures that could not be scored.
func (a *Analysis) missingList() (list []pageMissing) {
	at := map[string]int{}
	add := func(c Cell, note, why string) {
		what := c.Train + " → " + c.Test
		if len(a.Variants) > 1 {
			what = c.Variant + ": " + what
		}
		if c.Treatment.Kind != "" {
			what += " (" + c.Treatment.words() + ")"
		}
		what += note
		if i, ok := at[why]; ok {
			list[i].What += ", " + what
			return
		}
		at[why] = len(list)
		list = append(list, pageMissing{what, why})
	}
	for _, c := range a.Missing() {
		add(c, "", c.Problem)
	}
	for _, c := range a.Results.Cells {
		switch {
		case c.Problem != "" || c.Failed == 0:
		case c.Failed == 1:
			add(c, ", 1 picture", c.Failure)
		default:
			add(c, fmt.Sprintf(", %d pictures", c.Failed), c.Failure)
		}
	}
	return list
}

var xmlHead = regexp.MustCompile(`(?s)^.*?<svg width="([\d.]+)pt" height="([\d.]+)pt"`)

// inline is the figure's SVG for the page, with a text alternative.
func (f *Figure) inline() (template.HTML, error) {
	svg, err := f.SVG()
	if err != nil {
		return "", err
	}
	label := template.HTMLEscapeString(f.Title)
	// vgsvg's sizes are points, a third more in CSS pixels. Small screens scale the figure.
	width := int(float64(f.width) * 4 / 3)
	head := fmt.Sprintf(`<svg role="img" aria-label="%s" style="width:100%%;max-width:%dpx;height:auto"`, label, width)
	if !xmlHead.Match(svg) {
		return "", fmt.Errorf("figure %s: unexpected form of SVG", f.Name)
	}
	return template.HTML(xmlHead.ReplaceAll(svg, []byte(head))), nil
}

// runsTable describes each model and its training.
func (a *Analysis) runsTable() Table {
	t := Table{Name: "runs", Title: "The models", Columns: []Column{{"variant", "variant", false}, {"trained_on", "trained on", false}, {"model", "network", false},
		{"parameters", "parameters", false}, {"epochs", "epochs", false}, {"best_epoch", "best epoch", false}, {"valid_iou", "IoU on validation, %", false}, {"seconds", "training time", false},
		{"weights", "weights (SHA-256)", false}, {"scored_with", "scored with", false}, {"problem", "problem", false}}}
	for _, r := range a.Runs {
		valid := textValue("")
		if r.ValidIoU != nil {
			valid = textValue(iou.Format(*r.ValidIoU))
		}
		t.Rows = append(t.Rows, []Value{textValue(r.Variant), textValue(r.Train), textValue(r.Model), textValue(thousands(r.Parameters)),
			textValue(count(r.Epochs)), textValue(count(r.BestEpoch)), valid, textValue(clock(r.Seconds)), textValue(weightsText(r.Weights)), textValue(strings.Join(r.ScoredWith, "; ")), textValue(r.Problem)})
	}
	return t.withoutEmptyColumns()
}

// weightsText lists files with the first digits of their digests; results.json has all digits.
func weightsText(list []Weights) string {
	var parts []string
	for _, w := range list {
		text := w.Name
		if w.SHA256 != "" {
			text += " " + w.SHA256[:min(12, len(w.SHA256))]
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// dataTable describes the data sets.
func (a *Analysis) dataTable() Table {
	t := Table{Name: "data", Title: "The data", Columns: []Column{{"name", "name", false}, {"trained", "training pictures", false}, {"valid", "validation pictures", false},
		{"tested", "test pictures", false}, {"folder", "location", false}, {"fingerprint", "fingerprint", false}, {"problem", "problem", false}}}
	for _, d := range a.Data {
		t.Rows = append(t.Rows, []Value{headValue(d.Name), textValue(count(d.Trained)), textValue(count(d.Valid)), textValue(count(d.Tested)),
			textValue(d.Folder), textValue(d.Print), textValue(d.Problem)})
	}
	return t.withoutEmptyColumns()
}

// withoutEmptyColumns leaves out columns without text.
func (t Table) withoutEmptyColumns() Table {
	out := Table{Name: t.Name, Title: t.Title, Caption: t.Caption, Rows: make([][]Value, len(t.Rows))}
	for i, c := range t.Columns {
		if !slices.ContainsFunc(t.Rows, func(row []Value) bool { return row[i].Text != "" }) {
			continue
		}
		out.Columns = append(out.Columns, c)
		for j, row := range t.Rows {
			out.Rows[j] = append(out.Rows[j], row[i])
		}
	}
	return out
}

// count is a number, "" for 0.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// thousands groups digits by three with thin spaces.
func thousands(n int) string {
	text := count(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// clock formats a duration in seconds.
func clock(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	if seconds < 10 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// grids are the pictures of the report: samples of every test set, then the best and the worst.
func (a *Analysis) grids() (list []pageGrid) {
	add := func(title, intro string, ok func(Picture) bool) {
		g := pageGrid{Title: title, Intro: intro}
		for _, p := range a.Pictures {
			if ok(p) {
				g.Rows = append(g.Rows, a.row(p))
			}
		}
		if len(g.Rows) > 0 {
			list = append(list, g)
		}
	}
	for _, test := range a.Test {
		add("Tested on "+test, "", func(p Picture) bool { return p.Why == Sample && p.Test == test })
	}
	for _, why := range []struct{ key, title, intro string }{
		{BestID, "Best, in-domain", "The pictures with the highest IoU on the kind of manipulation that the model was trained on."},
		{WorstID, "Worst, in-domain", "The pictures with the lowest IoU on the kind of manipulation that the model was trained on."},
		{BestOD, "Best, out-of-domain", "The pictures with the highest IoU on a kind of manipulation that the model was not trained on."},
		{WorstOD, "Worst, out-of-domain", "The pictures with the lowest IoU on a kind of manipulation that the model was not trained on."},
	} {
		add(why.title, why.intro, func(p Picture) bool { return p.Why == why.key })
	}
	return list
}

// row is a picture with its mask and maps.
func (a *Analysis) row(p Picture) pageRow {
	row := pageRow{Name: p.Name, Figures: []pageImage{
		{URL: dataURL(p.Image), Alt: "picture " + p.Name, Label: "picture", Under: ""},
		{URL: dataURL(p.Mask), Alt: "manipulated area of " + p.Name, Label: "truth"},
	}}
	if p.Why != Sample {
		row.Name = p.Test + ": " + p.Name
	}
	for _, m := range p.Maps {
		label := m.Train
		switch {
		case len(a.Variants) > 1 && len(a.Train) > 1:
			label = m.Variant + ", " + m.Train
		case len(a.Variants) > 1:
			label = m.Variant
		}
		i := pageImage{URL: dataURL(m.Image), Alt: "map of the model " + label, Label: label, Highlight: m.Train == p.Test && len(a.Variants) == 1}
		if !math.IsNaN(m.IoU) {
			i.Under = fmt.Sprintf("IoU %.0f %%", m.IoU)
		}
		row.Figures = append(row.Figures, i)
	}
	row.Short = len(row.Figures) <= 3
	return row
}

func dataURL(data []byte) template.URL {
	kind := "image/jpeg"
	if bytes.HasPrefix(data, []byte("\x89PNG")) {
		kind = "image/png"
	}
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data))
}
