package check

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"path/filepath"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// Measures of a sheet, in pixels.
const (
	thumb   = 192 // the longer side of a picture
	gap     = 12
	line    = 14 // of text
	lines   = 3
	columns = 6
	title   = 2*line + gap
)

var (
	paper  = color.RGBA{250, 250, 250, 255}
	ink    = color.RGBA{30, 30, 30, 255}
	faint  = color.RGBA{110, 110, 110, 255}
	alarm  = color.RGBA{190, 20, 20, 255}
	marker = [3]float64{255, 60, 0} // of what a mask marks
)

// Sheet draws a contact sheet of at most count pictures, the same share of every group: each with
// the outline of its mask as the data set is read, its name, where it belongs, its size and how
// much is marked. Pictures with something wrong come first and are lettered in red. Its error is
// that the work was called off.
func Sheet(ctx context.Context, set *dataset.Set, r *Report, count int, limits picture.Limits) (*picture.RGB, error) {
	wrong := map[string]string{}
	for _, f := range r.Findings {
		if f.Wrong && wrong[f.File] == "" {
			wrong[f.File] = f.Kind
		}
	}
	chosen := choose(set, wrong, count)
	rows := (len(chosen) + columns - 1) / columns
	cell := image.Pt(thumb+gap, thumb+lines*line+2*gap)
	sheet := image.NewRGBA(image.Rect(0, 0, gap+columns*cell.X, title+gap+rows*cell.Y))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	write(sheet, gap, gap+line, ink, fmt.Sprintf("%s: %d of %d pictures, %d findings that are wrong", r.Data, len(chosen), set.Len(), r.Wrong), sheet.Rect.Dx()-2*gap)
	write(sheet, gap, gap+2*line, faint, "outlined in orange: what the masks mark as manipulated", sheet.Rect.Dx()-2*gap)
	for k, i := range chosen {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		at := image.Pt(gap+k%columns*cell.X, title+gap+k/columns*cell.Y)
		it := set.Item(i)
		problem := wrong[it.Image]
		if problem == "" {
			problem = wrong[it.Mask]
		}
		drawCell(ctx, sheet, at, set, i, problem, limits)
	}
	return picture.FromImage(sheet), nil
}

// choose gives the indices of the pictures to show: those with something wrong, up to a third of
// the sheet, then an even share of each group.
func choose(set *dataset.Set, wrong map[string]string, count int) []int {
	var chosen []int
	groups, order := map[string][]int{}, []string{}
	for i := range set.Len() {
		it := set.Item(i)
		if (wrong[it.Image] != "" || it.Mask != "" && wrong[it.Mask] != "") && len(chosen) < (count+2)/3 {
			chosen = append(chosen, i)
			continue
		}
		key := it.Set + "\x00" + it.Split + "\x00" + it.Method
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	room := count - len(chosen)
	for k, key := range order {
		list := groups[key]
		share := min(len(list), (room+len(order)-k-1)/(len(order)-k))
		for i := range share {
			chosen = append(chosen, list[i*len(list)/share])
		}
		room -= share
	}
	return chosen
}

// drawCell draws one picture with its letters.
func drawCell(ctx context.Context, sheet *image.RGBA, at image.Point, set *dataset.Set, i int, problem string, limits picture.Limits) {
	it := set.Item(i)
	letters := ink
	if problem != "" {
		letters = alarm
	}
	about := strings.Join(nonEmpty(it.Set, it.Split, it.Method), ", ")
	facts := problem
	if d, err := picture.Open(it.Image, limits); err != nil {
		facts = "can't be read"
	} else {
		small := shrunk(d.RGB)
		facts = fmt.Sprintf("%d x %d", d.Width, d.Height)
		if sample, err := set.Load(ctx, i); err == nil && sample.Mask != nil {
			facts += fmt.Sprintf(", %.1f %% marked", 100*outline(small, sample.Mask))
		}
		if problem != "" {
			facts = problem + ", " + facts
		}
		corner := at.Add(image.Pt((thumb-small.Width)/2, (thumb-small.Height)/2))
		draw.Draw(sheet, image.Rect(0, 0, small.Width, small.Height).Add(corner), small, image.Point{}, draw.Src)
	}
	write(sheet, at.X, at.Y+thumb+line, letters, filepath.Base(it.Image), thumb)
	write(sheet, at.X, at.Y+thumb+2*line, faint, about, thumb)
	write(sheet, at.X, at.Y+thumb+3*line, letters, facts, thumb)
}

func nonEmpty(words ...string) []string {
	var list []string
	for _, w := range words {
		if w != "" && (len(list) == 0 || list[0] != w) {
			list = append(list, w)
		}
	}
	return list
}

// shrunk brings a picture to the size of a thumbnail.
func shrunk(p *picture.RGB) *picture.RGB {
	longer := max(p.Width, p.Height)
	return picture.Resize(p, max(1, p.Width*thumb/longer), max(1, p.Height*thumb/longer)).Clone()
}

// outline tints what a mask marks on a thumbnail, draws its outline, and gives the share that it
// marks.
func outline(p *picture.RGB, mask *picture.Gray) float64 {
	marked := 0
	for _, v := range mask.Pix {
		if v > 127 {
			marked++
		}
	}
	small := picture.ResizeGray(mask, p.Width, p.Height)
	in := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < p.Width && y < p.Height && small.Pix[y*p.Width+x] > 127
	}
	for y := range p.Height {
		for x := range p.Width {
			if !in(x, y) {
				continue
			}
			weight := 0.25
			if !in(x-1, y) || !in(x+1, y) || !in(x, y-1) || !in(x, y+1) {
				weight = 1
			}
			px := p.Pix[3*(y*p.Width+x):][:3]
			for c := range px {
				px[c] = uint8((1-weight)*float64(px[c]) + weight*marker[c] + 0.5)
			}
		}
	}
	return float64(marked) / float64(len(mask.Pix))
}

// write sets a line of text, cut to fit the width.
func write(to *image.RGBA, x, y int, c color.Color, text string, width int) {
	face := basicfont.Face7x13
	if most := width / face.Advance; len(text) > most {
		text = text[:most-2] + ".."
	}
	d := font.Drawer{Dst: to, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
