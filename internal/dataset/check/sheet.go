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
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Sizes on a sheet, in pixels, and the number of columns.
const (
	thumb   = 192 // the longer side of a picture
	gap     = 12
	line    = 14 // height of a line of text
	lines   = 3  // below a picture
	columns = 6
	title   = 2*line + gap
)

var (
	paper  = color.RGBA{250, 250, 250, 255}
	ink    = color.RGBA{30, 30, 30, 255}
	faint  = color.RGBA{110, 110, 110, 255}
	alarm  = color.RGBA{190, 20, 20, 255}
	marker = [3]float64{255, 60, 0} // of the area that a mask marks
)

// Sheet draws a contact sheet of at most count pictures, the same share of every group. Each has
// the outline of its mask with the polarity as read, and below it the file's name, its set, split
// and method, its size and the share that is marked. Pictures with a wrong finding come first, with
// red text. The error is that ctx ended.
func Sheet(ctx context.Context, set *dataset.Set, r *Report, count int) (*picture.RGB, error) {
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
	write(sheet, gap, gap+line, ink, fmt.Sprintf("%s: %d of %d pictures, %d problems", r.Data, len(chosen), set.Len(), r.Wrong), sheet.Rect.Dx()-2*gap)
	write(sheet, gap, gap+2*line, faint, "outlined in orange: the areas that the masks mark as manipulated", sheet.Rect.Dx()-2*gap)
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
		drawCell(ctx, sheet, at, set, i, problem)
	}
	return picture.FromImage(sheet), nil
}

// choose gives the indices of the pictures to show: first those with wrong findings, up to a third
// of the sheet, then an even share of each group.
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

// drawCell draws one picture with its text.
func drawCell(ctx context.Context, sheet *image.RGBA, at image.Point, set *dataset.Set, i int, problem string) {
	it := set.Item(i)
	letters := ink
	if problem != "" {
		letters = alarm
	}
	about := strings.Join(nonEmpty(it.Set, it.Split, it.Method), ", ")
	facts := "unreadable"
	small, size, err := thumbnail(ctx, set, i)
	if err == nil {
		if facts = size; problem != "" {
			facts = problem + ", " + facts
		}
		corner := at.Add(image.Pt((thumb-small.Width)/2, (thumb-small.Height)/2))
		draw.Draw(sheet, image.Rect(0, 0, small.Width, small.Height).Add(corner), small, image.Point{}, draw.Src)
	}
	write(sheet, at.X, at.Y+thumb+line, letters, filepath.Base(it.Image), thumb)
	write(sheet, at.X, at.Y+thumb+2*line, faint, about, thumb)
	write(sheet, at.X, at.Y+thumb+3*line, letters, facts, thumb)
}

// thumbnail is picture i with its mask's outline, and its size and marked share in words. A panic
// becomes an error.
func thumbnail(ctx context.Context, set *dataset.Set, i int) (small *picture.RGB, size string, err error) {
	defer parallel.Recover(&err)
	d, err := set.OpenPicture(ctx, i)
	if err != nil {
		return nil, "", err
	}
	small, size = shrunk(d.RGB), fmt.Sprintf("%d x %d", d.Width, d.Height)
	if sample, err := dataset.Load(ctx, set, i); err == nil && sample.Mask != nil {
		size += fmt.Sprintf(", %.1f %% marked", 100*outline(small, sample.Mask))
	}
	return small, size, nil
}

// nonEmpty leaves out empty words and repetitions of the first.
func nonEmpty(words ...string) []string {
	var list []string
	for _, w := range words {
		if w != "" && (len(list) == 0 || list[0] != w) {
			list = append(list, w)
		}
	}
	return list
}

// shrunk scales a picture to the size of a thumbnail.
func shrunk(p *picture.RGB) *picture.RGB {
	longer := max(p.Width, p.Height)
	return picture.Resize(p, max(1, p.Width*thumb/longer), max(1, p.Height*thumb/longer)).Clone()
}

// outline tints the area that a mask marks on a thumbnail, draws its outline, and returns the
// marked share of the mask.
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

// write draws a line of text, shortened to the width.
func write(to *image.RGBA, x, y int, c color.Color, text string, width int) {
	face := basicfont.Face7x13
	if most := width / face.Advance; len(text) > most {
		text = text[:most-2] + ".."
	}
	d := font.Drawer{Dst: to, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
