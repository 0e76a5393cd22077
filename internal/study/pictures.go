package study

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/study/report"
)

const (
	shownSide     = 288 // longest side in pixels of a picture in the report
	shownMaps     = 6   // largest number of maps of one picture, where many models are much alike
	shownExtremes = 2   // best and worst pictures of each kind
)

// shot is a picture to show with the maps of some models.
type shot struct {
	set   *set
	index int
	name  string
	why   string
	cells []*Cell
}

// shots chooses the pictures of the report.
func (p *Plan) shots() (list []shot) {
	for _, s := range p.sets {
		cells := p.shownCells(s)
		if len(cells) == 0 {
			continue
		}
		pictures := cells[0].result.Pictures
		var fit []int
		for i, one := range pictures {
			if one.Manipulated && one.Err == nil {
				fit = append(fit, i)
			}
		}
		count := min(p.File.Evaluation.Samples, len(fit))
		for k := range count {
			i := fit[(2*k+1)*len(fit)/(2*count)]
			list = append(list, shot{s, i, filepath.Base(pictures[i].Name), report.Sample, cells})
		}
	}
	if p.File.Evaluation.Samples > 0 && p.File.Kind != report.Figure2 {
		list = append(list, p.extremes(true, report.BestID, report.WorstID)...)
		list = append(list, p.extremes(false, report.BestOD, report.WorstOD)...)
	}
	return list
}

// shownCells are the cells of a test set whose maps are shown side by side: one model for each
// training set or, if variants are compared, the variants trained on the set itself. Of many it
// takes a few.
func (p *Plan) shownCells(s *set) (cells []*Cell) {
	for _, c := range p.Cells {
		if c.set != s || c.result == nil || c.Treatment.Kind != "" {
			continue
		}
		if len(p.variants) > 1 && c.Run.Train != p.shownTraining(s) {
			continue
		}
		cells = append(cells, c)
	}
	if len(cells) > shownMaps && p.File.Kind != report.Figure2 {
		all := cells
		cells = nil
		for k := range shownMaps {
			cells = append(cells, all[k*(len(all)-1)/(shownMaps-1)])
		}
	}
	return cells
}

// shownTraining is the training set whose models are shown on a test set: the set itself, or the
// first.
func (p *Plan) shownTraining(s *set) string {
	for _, r := range p.Runs {
		if r.Train == s.Name {
			return s.Name
		}
	}
	return p.Runs[0].Train
}

// ranked is a picture of a cell with its IoU.
type ranked struct {
	cell  *Cell
	index int
	iou   float64
}

// extremes are the pictures of a cell with the highest and the lowest IoU; their cell is nil if
// there are none.
func (c *Cell) extremes() (high, low ranked) {
	high, low = ranked{iou: math.Inf(-1)}, ranked{iou: math.Inf(1)}
	for i, one := range c.result.Pictures {
		v := one.Scores.IoU
		if !one.Manipulated || one.Err != nil || math.IsNaN(v) {
			continue
		}
		if v > high.iou {
			high = ranked{c, i, v}
		}
		if v < low.iou {
			low = ranked{c, i, v}
		}
	}
	return high, low
}

// extremes are the pictures with the highest and the lowest IoU, at most one of each from a cell.
func (p *Plan) extremes(same bool, best, worst string) (list []shot) {
	var high, low []ranked
	for _, c := range p.Cells {
		if c.result == nil || c.Treatment.Kind != "" || (c.Run.Train == c.Test) != same {
			continue
		}
		if h, l := c.extremes(); h.cell != nil {
			high, low = append(high, h), append(low, l)
		}
	}
	slices.SortStableFunc(high, func(a, b ranked) int { return cmp.Compare(b.iou, a.iou) })
	slices.SortStableFunc(low, func(a, b ranked) int { return cmp.Compare(a.iou, b.iou) })
	take := func(ranking []ranked, why string) {
		seen := map[string]bool{}
		for _, r := range ranking {
			name := fmt.Sprint(r.cell.Test, r.index)
			if seen[name] || len(seen) == shownExtremes {
				continue
			}
			seen[name] = true
			list = append(list, shot{r.cell.set, r.index, filepath.Base(r.cell.result.Pictures[r.index].Name), why, []*Cell{r.cell}})
		}
	}
	take(high, best)
	take(low, worst)
	return list
}

// pictures makes the pictures of the report, or takes those of an earlier report. Without makeNew,
// missing ones are left out.
func (p *Plan) pictures(ctx context.Context, o Options, makeNew bool) ([]report.Picture, error) {
	shots := p.shots()
	if o.Events.Drawing != nil {
		o.Events.Drawing()
	}
	if makeNew {
		if err := p.drawMaps(ctx, o, shots); err != nil {
			return nil, err
		}
	}
	var list []report.Picture
	for _, s := range shots {
		out := report.Picture{Test: s.set.Name, Name: s.name, Why: s.why}
		var err, maskErr error
		out.Image, err = os.ReadFile(p.shownFile(s, nil, "jpg"))
		out.Mask, maskErr = os.ReadFile(p.shownFile(s, nil, "png"))
		if err != nil || maskErr != nil {
			continue
		}
		for _, c := range s.cells {
			if m, err := os.ReadFile(p.shownFile(s, c, "png")); err == nil {
				out.Maps = append(out.Maps, report.Map{Variant: c.Run.Variant, Train: c.Run.Train, Image: m,
					IoU: c.result.Pictures[s.index].Scores.IoU, F1: c.result.Pictures[s.index].Scores.F1Fixed})
			}
		}
		list = append(list, out)
	}
	return list, nil
}

// shownFile is the file of a shot's picture, its mask or, with a cell, a map of it.
func (p *Plan) shownFile(s shot, c *Cell, ending string) string {
	values := []any{"shown 2", s.set.contents.test, s.index, shownSide}
	if c != nil {
		values = append(values, c.Run.key)
	}
	return filepath.Join(p.File.Out, picturesDir, hash(values...)[:20]+"."+ending)
}

// drawMaps makes the missing pictures, model by model. A picture or a model that fails here is left
// out, because the cells report it.
func (p *Plan) drawMaps(ctx context.Context, o Options, shots []shot) error {
	if err := os.MkdirAll(filepath.Join(p.File.Out, picturesDir), 0o755); err != nil {
		return err
	}
	for _, r := range p.Runs {
		var todo []shot
		for _, s := range shots {
			for _, c := range s.cells {
				if c.Run == r && !exists(p.shownFile(s, c, "png")) {
					todo = append(todo, shot{s.set, s.index, s.name, s.why, []*Cell{c}})
				}
			}
		}
		if len(todo) == 0 {
			continue
		}
		m, err := p.openModels([]*Run{r}, o)
		if err != nil {
			continue
		}
		err = p.drawWith(ctx, m, todo)
		if err := errors.Join(err, m.Close()); err != nil {
			return err
		}
	}
	return nil
}

// drawWith makes the maps of one model.
func (p *Plan) drawWith(ctx context.Context, m *localize.Model, shots []shot) error {
	for _, s := range shots {
		sample, err := dataset.Load(ctx, s.set.test, s.index)
		if err != nil || sample.Mask == nil {
			continue
		}
		result, err := localizeSafely(ctx, m, sample.Picture)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			continue
		}
		if err := p.writeShown(s, sample, picture.Map{Prob: result.Prob, Width: result.Width, Height: result.Height}); err != nil {
			return err
		}
	}
	return nil
}

// localizeSafely is Localize with a panic as an error.
func localizeSafely(ctx context.Context, m *localize.Model, p *picture.Picture) (result *localize.Result, err error) {
	defer parallel.Recover(&err)
	return m.Localize(ctx, p)
}

// writeShown writes a shot's picture, its mask and a map.
func (p *Plan) writeShown(s shot, sample dataset.Sample, m picture.Map) error {
	w, h := shownSize(sample.Picture.Width, sample.Picture.Height)
	if err := picture.WriteJPEG(p.shownFile(s, nil, "jpg"), picture.Resize(sample.Picture.RGB, w, h), 85); err != nil {
		return err
	}
	mask := picture.Resize(sample.Mask.ToRGB(), w, h).ToGray()
	if err := picture.WritePNG(p.shownFile(s, nil, "png"), mask); err != nil {
		return err
	}
	small := picture.Resize(m.ToGray().ToRGB(), w, h).ToGray()
	return picture.WritePNG(p.shownFile(s, s.cells[0], "png"), small)
}

// shownSize is a picture's size in the report.
func shownSize(w, h int) (int, int) {
	scale := min(1, float64(shownSide)/float64(max(w, h)))
	side := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
	return side(w), side(h)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// firstError is the first error of a cell's pictures, and the number of pictures without scores.
func firstError(pictures []evaluate.Picture) (string, int) {
	n := 0
	for _, p := range pictures {
		if p.Err != nil {
			n++
		}
	}
	if n == 0 {
		return "", 0
	}
	return evaluate.FirstError(pictures).Error(), n
}
