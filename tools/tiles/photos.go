package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/forge"
	"github.com/declip/declip/internal/picture"
)

// The size of the photographs, in pixels, and the smallest photograph that is continued to it.
const (
	wide, high = 2048, 1536
	least      = 700_000
)

// continueAll writes the photographs in a directory, continued by their mirror images, as PNG files
// to another one. Nothing is resampled: noise and traces of compression are the photographs' own.
// Small photographs are left out, because they would be repeated too often.
func continueAll(from, to string, most int) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	paths, err := forge.Photos(from)
	if err != nil {
		return err
	}
	made, small := 0, 0
	for _, path := range paths {
		if made == most {
			break
		}
		p, err := picture.Open(filepath.Join(from, path), picture.Limits{})
		if err != nil {
			return err
		}
		if p.Width*p.Height < least {
			small++
			continue
		}
		name := strings.ReplaceAll(strings.TrimSuffix(path, filepath.Ext(path)), "/", "_") + ".png"
		if err := picture.WritePNG(filepath.Join(to, name), mirrored(p.RGB, wide, high)); err != nil {
			return err
		}
		made++
	}
	fmt.Printf("%s: %d photographs continued to %d x %d; %d of fewer than %d pixels were left out\n", to, made, wide, high, small, least)
	if made == 0 {
		return fmt.Errorf("%s has no photographs of at least %d pixels", from, least)
	}
	return nil
}

// mirrored continues a picture to the given size by its mirror images. A larger picture is cut.
func mirrored(p *picture.RGB, width, height int) *picture.RGB {
	out := picture.NewRGB(width, height)
	for y := range height {
		row := reflect(y, p.Height) * p.Width
		for x := range width {
			from := 3 * (row + reflect(x, p.Width))
			copy(out.Pix[3*(y*width+x):][:3], p.Pix[from:from+3])
		}
	}
	return out
}

// reflect folds an index into [0,n): 0 ... n-1, n-1 ... 0, and so on.
func reflect(i, n int) int {
	i %= 2 * n
	return min(i, 2*n-1-i)
}
