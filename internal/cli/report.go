package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/declip/declip"
)

// reporter says what became of a picture.
type reporter interface {
	report(w *work) error
}

// textReporter writes for people.
type textReporter struct {
	app *app
	bar *progress
}

func (a *app) newTextReporter(bar *progress) *textReporter { return &textReporter{a, bar} }

// shownRegions is how many regions are listed in text.
const shownRegions = 5

func (t *textReporter) report(w *work) error {
	if w.err != nil {
		return t.bar.printf(t.app.stderr, "declip: %v\n", w.err)
	}
	r := w.result
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %.1f %% of the pixels over %g, score %.2f (%d x %d, %s, %d ms)\n",
		w.input.path, 100*r.ManipulatedFraction, r.Threshold, r.Score, r.Width, r.Height, r.Model, w.elapsed.Milliseconds())
	for i, g := range r.Regions {
		if i == shownRegions {
			fmt.Fprintf(&b, "  and %d smaller regions\n", len(r.Regions)-i)
			break
		}
		fmt.Fprintf(&b, "  region at %d,%d, %d x %d: %d pixels, probability %.2f, peak %.2f\n",
			g.Box.Min.X, g.Box.Min.Y, g.Box.Dx(), g.Box.Dy(), g.Area, g.Mean, g.Peak)
	}
	if o := w.decoded.Orientation; o > 1 {
		fmt.Fprintf(&b, "  EXIF orientation %d is not applied: positions are those of the stored pixels\n", o)
	}
	fmt.Fprintf(&b, "  %s", w.files.Overlay)
	for _, path := range []string{w.files.Mask, w.files.Prob, w.files.NPY} {
		if path != "" {
			fmt.Fprintf(&b, ", %s", filepath.Base(path))
		}
	}
	return t.bar.printf(t.app.stdout, "%s\n", b.String())
}

// jsonReporter writes one object a line.
type jsonReporter struct {
	app *app
	bar *progress
}

func (a *app) newJSONReporter(bar *progress) *jsonReporter { return &jsonReporter{a, bar} }

// jsonResult is the line of a picture.
type jsonResult struct {
	Image               string       `json:"image"`
	Width               int          `json:"width"`
	Height              int          `json:"height"`
	Format              string       `json:"format"`
	Orientation         int          `json:"orientation"` // EXIF, 1 where none is given
	Model               string       `json:"model"`
	Score               float64      `json:"score"`
	MeanProbability     float64      `json:"mean_probability"`
	ManipulatedFraction float64      `json:"manipulated_fraction"`
	Threshold           float64      `json:"threshold"`
	Regions             []jsonRegion `json:"regions"`
	Files               files        `json:"files"`
	ElapsedMS           float64      `json:"elapsed_ms"`
}

type jsonRegion struct {
	Box  [4]int  `json:"box"` // x, y, width, height
	Area int     `json:"area"`
	Mean float64 `json:"mean"`
	Peak float64 `json:"peak"`
}

type jsonError struct {
	Image string `json:"image"`
	Error string `json:"error"`
}

func (j *jsonReporter) report(w *work) error {
	var line any = jsonError{w.input.path, fmt.Sprint(w.err)}
	if w.err == nil {
		line = newJSONResult(w)
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	return j.bar.printf(j.app.stdout, "%s\n", text)
}

func newJSONResult(w *work) jsonResult {
	r := w.result
	return jsonResult{
		Image: w.input.path, Width: r.Width, Height: r.Height,
		Format: w.decoded.Format, Orientation: w.decoded.Orientation,
		Model: r.Model, Score: round6(r.Score), MeanProbability: round6(r.MeanProbability),
		ManipulatedFraction: round6(r.ManipulatedFraction), Threshold: r.Threshold,
		Regions: jsonRegions(r.Regions), Files: w.files,
		ElapsedMS: math.Round(w.elapsed.Seconds()*1e4) / 10,
	}
}

func jsonRegions(regions []declip.Region) []jsonRegion {
	list := make([]jsonRegion, len(regions))
	for i, g := range regions {
		box := [4]int{g.Box.Min.X, g.Box.Min.Y, g.Box.Dx(), g.Box.Dy()}
		list[i] = jsonRegion{box, g.Area, round6(g.Mean), round6(g.Peak)}
	}
	return list
}

// round6 keeps six digits after the point, beyond what a map of float32 holds.
func round6(v float64) float64 { return math.Round(v*1e6) / 1e6 }
