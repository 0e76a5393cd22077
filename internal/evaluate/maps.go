package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	stdmaps "maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/weights/npy"
	"github.com/declip/declip/internal/picture"
)

// mapExtensions are the extensions of maps, in the order of preference.
var mapExtensions = []string{".npy", ".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"}

// Maps makes a predictor of a directory of maps, which "declip localize" or another program made of
// the source's pictures.
//
// A map has the name of its picture with another extension. It is either .npy (NumPy's format,
// [H,W] or with additional dimensions of 1: probabilities in [0,1], 8- or 16-bit numbers that are
// divided by 255 or 65535, or booleans) or a grey picture of 8 or 16 bits, whose highest level
// means 1. A map may have any size.
//
// It is directly in dir or in subdirectories named like those of the picture: for
// data/fake/ldm/images/test/1.png it is DIR/1.npy, DIR/test/1.npy, DIR/images/test/1.npy and so on,
// and the longest existing path is used. A missing map is an error of its picture.
//
// scale, if not 0, is the integer that means probability 1. Without it, maps that have no values
// but 0 and 1 are refused: as shares of 255 they would all be as good as empty.
func Maps(ctx context.Context, dir string, source dataset.Source, scale float32) (Predictor, error) {
	files, err := mapFiles(dir)
	if err != nil {
		return nil, err
	}
	p := &maps{dir: dir, scale: scale, files: map[string]string{}, errs: map[string]error{}}
	users := map[string][]string{}
	for i := range source.Len() {
		path := dataset.PathOf(source, i)
		file := findMap(files, path)
		if file == "" {
			p.errs[path] = fmt.Errorf("no map in %s: expected %s.npy or .png", dir, filepath.Base(strings.TrimSuffix(path, filepath.Ext(path))))
			continue
		}
		p.files[path] = file
		if !slices.Contains(users[file], path) {
			users[file] = append(users[file], path)
		}
	}
	for file, paths := range users {
		if len(paths) > 1 {
			for _, path := range paths {
				p.errs[path] = fmt.Errorf("the map %s fits %d pictures: sort the maps into directories named like the pictures'", file, len(paths))
			}
		}
	}
	if scale == 0 {
		if err := p.refuseZeroOne(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// refuseZeroOne reads maps until one has other values than the integers 0 and 1. Mostly that is
// the first.
func (p *maps) refuseZeroOne(ctx context.Context) error {
	marked := ""
	for _, path := range slices.Sorted(stdmaps.Values(p.files)) {
		m, err := readMap(ctx, path, 0)
		if err != nil {
			continue // reported with its picture
		}
		for _, v := range m.Prob {
			switch v {
			case 0:
			case 1.0 / 255, 1.0 / 65535:
				marked = path
			default:
				return nil
			}
		}
	}
	if marked == "" {
		return nil
	}
	return fmt.Errorf("predictions in %s: the maps have no values but 0 and 1, such as %s: pass --prediction-scale 1 if 1 means probability 1, "+
		"--prediction-scale 255 if 255 does", p.dir, marked)
}

type maps struct {
	dir   string
	scale float32           // see Maps
	files map[string]string // by picture
	errs  map[string]error  // why a picture has none
}

// Models implements Predictor.
func (p *maps) Models() []string { return []string{"maps in " + p.dir} }

// Predict implements Predictor.
func (p *maps) Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	all := make([][]Prediction, len(samples))
	for i, s := range samples {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		one := Prediction{Err: p.errs[s.Path]}
		if one.Err == nil {
			one.Map, one.Err = readMap(ctx, p.files[s.Path], p.scale)
		}
		all[i] = []Prediction{one}
	}
	return all, nil
}

// mapFiles lists the maps in a directory tree by their paths in it, without extensions.
func mapFiles(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := e.Name()
		rank := slices.Index(mapExtensions, strings.ToLower(filepath.Ext(name)))
		// "declip localize" writes masks and overlays next to its maps.
		if rank < 0 || strings.HasSuffix(name, ".mask.png") || strings.HasSuffix(name, ".overlay.png") {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		key := strings.TrimSuffix(filepath.ToSlash(strings.TrimSuffix(rel, filepath.Ext(rel))), ".prob")
		if before, taken := files[key]; !taken || rank < slices.Index(mapExtensions, strings.ToLower(filepath.Ext(before))) {
			files[key] = path
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = errors.New("no maps (" + strings.Join(mapExtensions, " ") + ")")
	}
	if err != nil {
		return nil, fmt.Errorf("predictions in %s: %w", dir, err)
	}
	return files, nil
}

// findMap finds a picture's map by the longest end of its path; "" if there is none.
func findMap(files map[string]string, path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	whole := filepath.ToSlash(path)
	stem := strings.TrimSuffix(whole, filepath.Ext(whole))
	for _, key := range []string{stem, whole} { // "a.npy" and "a.jpg.npy"
		for ok := true; ok; _, key, ok = strings.Cut(key, "/") {
			if file, found := files[key]; found {
				return file
			}
		}
	}
	return ""
}

// readMap reads a map; its errors name the file. scale is as in Maps.
func readMap(ctx context.Context, path string, scale float32) (picture.Map, error) {
	var m picture.Map
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy":
		m, err = readArray(path, scale)
	case ".png":
		m, err = readPNG(path, scale)
	default:
		var g *picture.Gray
		if g, err = picture.OpenGrayContext(ctx, path, picture.Limits{}); err == nil {
			m = levels(g.Width, g.Height, func(i int) float32 { return float32(g.Pix[i]) / most(255, scale) })
		}
	}
	if err != nil {
		return picture.Map{}, err
	}
	for i, v := range m.Prob {
		if !(v >= 0 && v <= 1) {
			return picture.Map{}, fmt.Errorf("%s: %v at (%d,%d), expected probabilities from 0 to 1 (apply the sigmoid to logits first)", path, v, i%m.Width, i/m.Width)
		}
	}
	return m, nil
}

// most is the integer that means probability 1.
func most(usual, scale float32) float32 {
	if scale > 0 {
		return scale
	}
	return usual
}

// levels makes a map whose values are at(i), row by row.
func levels(w, h int, at func(i int) float32) picture.Map {
	m := picture.Map{Prob: make([]float32, w*h), Width: w, Height: h}
	for i := range m.Prob {
		m.Prob[i] = at(i)
	}
	return m
}

// readArray reads a map in NumPy's format.
func readArray(path string, scale float32) (picture.Map, error) {
	kind, shape, data, err := npy.ReadNumbers(path)
	if err != nil {
		return picture.Map{}, err
	}
	sides := slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
	if n := len(shape); len(sides) < 2 && n >= 2 { // a map of one row or column keeps its sides
		sides = shape[n-2:]
	}
	if len(sides) != 2 || sides[0]*sides[1] == 0 || sides[0]*sides[1] != len(data) {
		return picture.Map{}, fmt.Errorf("%s: array of shape %v, expected [H,W]", path, shape)
	}
	one := float32(1)
	switch kind {
	case "u1":
		one = most(255, scale)
	case "u2":
		one = most(65535, scale)
	}
	return levels(sides[1], sides[0], func(i int) float32 { return data[i] / one }), nil
}

// readPNG reads a grey PNG of 8 or 16 bits in full precision.
func readPNG(path string, scale float32) (picture.Map, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return picture.Map{}, err
	}
	if _, w, h, err := picture.Header(data); err != nil {
		return picture.Map{}, fmt.Errorf("%s: %w", path, err)
	} else if int64(w)*int64(h) > picture.DefaultMaxPixels {
		return picture.Map{}, fmt.Errorf("%s: %w: %d x %d pixels", path, picture.ErrTooLarge, w, h)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return picture.Map{}, fmt.Errorf("%s: %w", path, err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.Gray:
		return levels(w, h, func(i int) float32 { return float32(m.Pix[i/w*m.Stride+i%w]) / most(255, scale) }), nil
	case *image.Gray16:
		return levels(w, h, func(i int) float32 {
			at := i/w*m.Stride + 2*(i%w)
			return float32(uint16(m.Pix[at])<<8|uint16(m.Pix[at+1])) / most(65535, scale)
		}), nil
	}
	rgb := picture.FromImage(m)
	for i := 0; i < len(rgb.Pix); i += 3 {
		if rgb.Pix[i] != rgb.Pix[i+1] || rgb.Pix[i] != rgb.Pix[i+2] {
			return picture.Map{}, fmt.Errorf("%s: coloured at (%d,%d), expected a grey map", path, i/3%w, i/3/w)
		}
	}
	return levels(w, h, func(i int) float32 { return float32(rgb.Pix[3*i]) / most(255, scale) }), nil
}
