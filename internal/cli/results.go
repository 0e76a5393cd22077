package cli

import (
	"fmt"
	"image"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/declip/declip/internal/npy"
	"github.com/declip/declip/internal/picture"
)

// files are the paths of a picture's results.
type files struct {
	Prob    string `json:"prob"`
	Mask    string `json:"mask"`
	Overlay string `json:"overlay"`
	NPY     string `json:"npy,omitempty"`
}

// writeResults writes all files of a picture at once. If one cannot be written,
// none of them is left.
func writeResults(o localizeOptions, w *work) (files, error) {
	base := filepath.Join(o.out, w.input.stem)
	f := files{Prob: base + ".prob.png", Mask: base + ".mask.png", Overlay: base + ".overlay.png"}
	var group errgroup.Group
	png := func(path string, render func() image.Image) {
		group.Go(func() error { return picture.WritePNG(path, render()) })
	}
	png(f.Overlay, func() image.Image { return w.result.Overlay(w.decoded.RGB) })
	png(f.Prob, w.result.Gray)
	png(f.Mask, w.result.Mask)
	if o.npy {
		f.NPY = base + ".npy"
		raw := w.result.Raw
		group.Go(func() error { return npy.Write(f.NPY, []int{raw.Height, raw.Width}, raw.Prob) })
	}
	if err := group.Wait(); err != nil {
		for _, path := range []string{f.Prob, f.Mask, f.Overlay, f.NPY} {
			if path != "" {
				os.Remove(path)
			}
		}
		return files{}, fmt.Errorf("%s: writing the results: %w", w.input.path, err)
	}
	return f, nil
}
