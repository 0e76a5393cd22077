package cli

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/weights/npy"
	"github.com/declip/declip/internal/picture"
)

// files are the paths of a picture's results.
type files struct {
	Prob    string `json:"prob"`
	Mask    string `json:"mask"`
	Overlay string `json:"overlay"`
	// Confidence is left out for models that give none.
	Confidence string `json:"confidence,omitempty"`
	NPY        string `json:"npy,omitempty"`
}

// resultSuffixes are appended to a stem to name the results.
var resultSuffixes = []string{".prob.png", ".mask.png", ".overlay.png", ".confidence.png", ".npy"}

// localized is the result of a picture: that of all models together, and with --each those of the
// models in their order.
type localized struct {
	result *localize.Result
	files  files
	each   []files // parallel to result.Each
}

// resultWriter writes the files of a picture.
type resultWriter struct {
	out    string
	npy    bool
	labels []string // of the models, for --each
}

// modelLabels are the models' names for use in file names, each one different from the others.
func modelLabels(names []string) []string {
	taken := map[string]bool{}
	labels := make([]string, len(names))
	for i, name := range names {
		base := models.Base(name)
		labels[i] = base
		for n := 2; taken[strings.ToLower(labels[i])]; n++ {
			labels[i] = fmt.Sprintf("%s-%d", base, n)
		}
		taken[strings.ToLower(labels[i])] = true
	}
	return labels
}

// suffixes are those that may follow a stem in the names of results.
func (o resultWriter) suffixes() []string {
	list := slices.Clone(resultSuffixes)
	for _, label := range o.labels {
		for _, suffix := range resultSuffixes {
			list = append(list, "."+label+suffix)
		}
	}
	return list
}

// write writes all files of a picture at once. If one cannot be written, the others are removed.
func (o resultWriter) write(w *work[*localized]) error {
	var group parallel.Group
	base := filepath.Join(o.out, w.input.stem)
	l := w.result
	l.files = o.writeMap(&group, base, l.result, w.decoded.RGB)
	for i, r := range l.result.Each {
		l.each = append(l.each, o.writeMap(&group, base+"."+o.labels[i], r, w.decoded.RGB))
	}
	err := group.Wait()
	if err == nil {
		return nil
	}
	for _, f := range append(l.each, l.files) {
		for _, path := range []string{f.Prob, f.Mask, f.Overlay, f.Confidence, f.NPY} {
			if path != "" {
				os.Remove(path)
			}
		}
	}
	return fmt.Errorf("%s: writing the results: %w", w.input.path, err)
}

// writeMap starts to write one result to files whose names begin with base.
func (o resultWriter) writeMap(group *parallel.Group, base string, r *localize.Result, rgb *picture.RGB) files {
	f := files{Prob: base + ".prob.png", Mask: base + ".mask.png", Overlay: base + ".overlay.png"}
	png := func(path string, render func() image.Image) {
		group.Go(func() error {
			parallel.Point(stageWrite)
			return picture.WritePNG(path, render())
		})
	}
	png(f.Overlay, func() image.Image { return r.Overlay(rgb) })
	png(f.Prob, r.Gray)
	png(f.Mask, r.Mask)
	if r.Confidence != nil {
		f.Confidence = base + ".confidence.png"
		png(f.Confidence, r.ConfidenceGray)
	}
	if o.npy {
		f.NPY = base + ".npy"
		group.Go(func() error { return npy.Write(f.NPY, []int{r.Raw.Height, r.Raw.Width}, r.Raw.Prob) })
	}
	return f
}
