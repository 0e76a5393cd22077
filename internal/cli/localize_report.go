package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/localize"
)

// shownRegions is the number of regions that the text lists.
const shownRegions = 5

// textReporter prints the result of a picture as text.
func (a *app) textReporter(bar *progress) func(w *work[*localized]) error {
	return func(w *work[*localized]) error {
		if w.err != nil {
			return a.reportFailure(bar, w.input.path, w.err)
		}
		return bar.printf(a.stdout, "%s\n", resultText(w))
	}
}

// reportFailure prints the error of the picture at path, and the stack if it is a fault of declip.
func (a *app) reportFailure(bar *progress, path string, err error) error {
	failed := bar.printf(a.stderr, "declip: %s\n", strings.ReplaceAll(err.Error(), path, quoted(path)))
	a.showStack(err)
	return failed
}

// failureJSON prints the error of a picture as one line of JSON, and the stack of a fault of declip
// to standard error.
func (a *app) failureJSON(bar *progress, path string, err error) error {
	failed := printJSON(bar, a.stdout, jsonError{path, err.Error()})
	a.showStack(err)
	return failed
}

func resultText(w *work[*localized]) string {
	r := w.result.result
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %.1f %% of the pixels over %g, score %.2f (%d x %d, %s, %d ms)\n",
		quoted(w.input.path), 100*r.ManipulatedFraction, r.Threshold, r.Score, r.Width, r.Height, r.Model, w.elapsed.Milliseconds())
	for _, own := range r.Each {
		fmt.Fprintf(&b, "  %s: %.1f %%, score %.2f\n", own.Model, 100*own.ManipulatedFraction, own.Score)
	}
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
	for _, text := range w.decoded.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", text)
	}
	b.WriteString("  " + quoted(filesText(w.result.files)))
	for _, f := range w.result.each {
		b.WriteString("\n  " + quoted(filesText(f)))
	}
	return b.String()
}

func filesText(f files) string {
	text := f.Overlay
	for _, path := range []string{f.Mask, f.Prob, f.Confidence, f.NPY} {
		if path != "" {
			text += ", " + filepath.Base(path)
		}
	}
	return text
}

// jsonResult is the JSON line of a picture.
type jsonResult struct {
	localize.Record
	Files     files     `json:"files"`
	Each      []jsonOwn `json:"each,omitempty"`
	ElapsedMS float64   `json:"elapsed_ms"`
}

// jsonOwn is the result of one of several models.
type jsonOwn struct {
	localize.RecordOwn
	Files files `json:"files"`
}

// jsonLeftOut is the JSON line of a directory of which files are not used.
type jsonLeftOut struct {
	Directory string `json:"directory"`
	Pictures  int    `json:"pictures"`
	// FilesLeftOut are numbers of files by extension.
	FilesLeftOut map[string]int `json:"files_left_out"`
}

type jsonError struct {
	Image string `json:"image"`
	Error string `json:"error"`
}

// jsonReporter prints the result of a picture as one line of JSON.
func (a *app) jsonReporter(bar *progress) func(w *work[*localized]) error {
	return func(w *work[*localized]) error {
		if w.err != nil {
			return a.failureJSON(bar, w.input.path, w.err)
		}
		return printJSON(bar, a.stdout, newJSONResult(w))
	}
}

func printJSON(bar *progress, to io.Writer, line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	return bar.printf(to, "%s\n", text)
}

func newJSONResult(w *work[*localized]) jsonResult {
	r := w.result.result
	line := jsonResult{
		Record: localize.NewRecord(w.input.path, r),
		Files:  w.result.files, ElapsedMS: localize.Milliseconds(w.elapsed),
	}
	for i, own := range r.Each {
		line.Each = append(line.Each, jsonOwn{localize.NewRecordOwn(own), w.result.each[i]})
	}
	return line
}
