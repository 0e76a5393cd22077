package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Names within the output directory.
const (
	ImagesDir    = "images"
	MasksDir     = "masks"
	ManifestName = "manifest.jsonl"
	runName      = "forge.json" // the settings that the directory was made with
)

// ErrForeignOutput is wrapped by the error about an output directory with other contents than those
// of an earlier, perhaps interrupted, run with the same settings.
var ErrForeignOutput = errors.New("output directory is not empty")

// Summary describes the result of Run.
type Summary struct {
	Made       int            `json:"made"`
	ByMethod   map[string]int `json:"by_method"`
	MeanShare  float64        `json:"mean_share"` // mean mask of the manipulated pictures, [0,1]
	Photos     int            `json:"photos"`     // photographs found
	Unreadable []Failure      `json:"-"`          // photographs that were skipped, by path
	Manifest   string         `json:"manifest"`
	Elapsed    time.Duration  `json:"-"`
}

// Entry is one line of the manifest.
type Entry struct {
	Name      string      `json:"name"`
	Image     string      `json:"image"` // relative to the manifest
	Mask      string      `json:"mask"`
	Method    string      `json:"method"`
	Sources   []string    `json:"sources"` // relative to the directory of photographs, host first
	Seed      uint64      `json:"seed"`
	Index     uint64      `json:"index"`
	Crop      Crop        `json:"crop"`
	Params    Params      `json:"params"`
	Treatment []Treatment `json:"treatment"`
	Format    string      `json:"format"`
	Quality   int         `json:"quality,omitempty"`
	Lossless  bool        `json:"lossless,omitempty"` // of WebP
	Width     int         `json:"width"`
	Height    int         `json:"height"`
	Share     float64     `json:"manipulated_fraction"`
	History   *History    `json:"history,omitempty"`
}

// Run writes Count pictures to Out: images/NAME.jpg, .png, .webp or .avif, masks/NAME.png (255 =
// manipulated) and, once all pictures are made, manifest.jsonl in index order. Photographs that
// cannot be read are skipped and listed in the summary. An interrupted run leaves whole files only
// and can be repeated.
func Run(ctx context.Context, c Config) (Summary, error) {
	begin := time.Now()
	if err := c.Validate(); err != nil {
		return Summary{}, err
	}
	f, err := New(c)
	if err != nil {
		return Summary{}, err
	}
	if err := prepareOut(f.config, f.methods); err != nil {
		return Summary{}, err
	}
	entries, err := f.makeAll(ctx)
	if err != nil {
		leaveIfEmpty(c.Out, ImagesDir, MasksDir)
		return Summary{Unreadable: f.Failures()}, err
	}
	s := Summary{
		Made: len(entries), ByMethod: map[string]int{}, Photos: f.Photos(), Unreadable: f.Failures(),
		Manifest: filepath.Join(c.Out, ManifestName), Elapsed: time.Since(begin),
	}
	for _, e := range entries {
		s.ByMethod[e.Method]++
		s.MeanShare += e.Share
	}
	if n := s.Made - s.ByMethod[MethodPristine]; n > 0 {
		s.MeanShare /= float64(n)
	}
	return s, writeManifest(s.Manifest, entries)
}

// makeAll makes and writes all pictures and returns their entries by index.
func (f *Forger) makeAll(ctx context.Context) ([]Entry, error) {
	entries := make([]Entry, f.config.Count)
	t := tally{total: len(entries), progress: f.config.Progress}
	err := parallel.For(ctx, len(entries), f.config.Workers, func(ctx context.Context, i int) error {
		s, err := f.Make(ctx, uint64(i))
		if err != nil {
			return err
		}
		if entries[i], err = s.write(f.config.Out, f.config.Seed); err != nil {
			return err
		}
		t.add()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// tally counts finished pictures and calls progress, if set, never concurrently.
type tally struct {
	total    int
	progress func(done, total int)

	mu   sync.Mutex
	done int
}

// add counts one picture.
func (t *tally) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if t.progress != nil {
		t.progress(t.done, t.total)
	}
}

// write saves the picture and its mask.
func (s *Sample) write(out string, seed uint64) (Entry, error) {
	e := Entry{
		Name: s.Name, Method: s.Method, Sources: s.Sources, Seed: seed, Index: s.Index,
		Crop: s.Crop, Params: s.Params, Treatment: s.Treatment, Format: s.Format, Quality: s.Quality, Lossless: s.Lossless,
		Width: s.Picture.Width, Height: s.Picture.Height, Share: s.Share,
		Mask: MasksDir + "/" + s.Name + ".png", Image: ImagesDir + "/" + s.Name + extension(s.Format),
	}
	if len(s.History.Before)+len(s.History.Donor)+len(s.History.After) > 0 {
		e.History = &s.History
	}
	if e.Treatment == nil {
		e.Treatment = []Treatment{}
	}
	if err := picture.WritePNG(filepath.Join(out, e.Mask), s.Mask); err != nil {
		return e, err
	}
	if s.encoded == nil {
		return e, picture.WritePNG(filepath.Join(out, e.Image), s.Picture)
	}
	return e, picture.WriteFile(filepath.Join(out, e.Image), s.encoded)
}

// writeManifest writes one JSON object per line.
func writeManifest(path string, entries []Entry) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range entries {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("manifest line for %s: %w", e.Name, err)
		}
	}
	return picture.WriteFile(path, b.Bytes())
}

// recipe has the settings that determine the pictures of a run. It identifies the run.
type recipe struct {
	Tool     string   `json:"tool"`
	Photos   string   `json:"photos"`
	Methods  []string `json:"methods"`
	Count    int      `json:"count"`
	Seed     uint64   `json:"seed"`
	Size     [2]int   `json:"size"`
	JPEG     [2]int   `json:"jpeg"`
	Pristine float64  `json:"pristine"`
	Treated  float64  `json:"treated"`
	// Left out if they are the defaults, as in directories made before there were these settings.
	Share     *[2]float64 `json:"share,omitempty"`
	Codec     string      `json:"autoencoder,omitempty"` // digest
	PasteBack float64     `json:"paste_back,omitempty"`
	Histories int         `json:"histories,omitempty"` // their version
	Formats   []string    `json:"formats,omitempty"`
}

// prepareOut makes the output directory with the recipe in it, or checks that an existing one is of
// the same run.
func prepareOut(c Config, methods []string) error {
	photos, err := outside(c.Photos, c.Out)
	if err != nil {
		return err
	}
	r := recipe{
		Tool: "declip forge", Photos: photos, Methods: methods, Count: c.Count, Seed: c.Seed,
		Size: [2]int{c.SizeMin, c.SizeMax}, JPEG: [2]int{c.JPEGMin, c.JPEGMax}, Pristine: c.Pristine, Treated: c.Treated,
		Formats: choice(c.Formats),
	}
	if c.Histories {
		r.Histories = 1
	}
	if s := c.shares(); s != [2]float64{MinShare, MaxShare} {
		r.Share = &s
	}
	if slices.Contains(methods, MethodLatent) {
		r.Codec, r.PasteBack = c.Codec.Digest(), c.PasteBack
	}
	return claim(c.Out, r, ImagesDir, MasksDir)
}

// claim makes the output directory with its subdirectories and the recipe, or checks that an
// existing one has the same recipe.
func claim(out string, recipe any, dirs ...string) error {
	text, err := json.MarshalIndent(recipe, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := checkOut(out, text); err != nil {
		return err
	}
	for _, dir := range append(dirs, ".") {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return fmt.Errorf("make output directory: %w", err)
		}
	}
	return picture.WriteFile(filepath.Join(out, runName), text)
}

// outside gives the full path of the directory of photographs. The output directory must not be in
// it.
func outside(photos, out string) (string, error) {
	from, err := filepath.Abs(photos)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(out)
	if err != nil {
		return "", err
	}
	if to == from || strings.HasPrefix(to, from+string(filepath.Separator)) {
		return "", fmt.Errorf("output directory %s is inside the directory of photographs %s: the next run would use its pictures as photographs", out, photos)
	}
	return from, nil
}

// leaveIfEmpty removes the directory of a run that made nothing, so that the next run, with other
// photographs, can use it.
func leaveIfEmpty(out string, dirs ...string) {
	for _, dir := range dirs {
		if os.Remove(filepath.Join(out, dir)) != nil { // not empty
			return
		}
	}
	if os.Remove(filepath.Join(out, runName)) == nil {
		_ = os.Remove(out)
	}
}

// checkOut accepts a directory that is missing, empty, or of the same recipe.
func checkOut(out string, recipe []byte) error {
	there, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(there) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	old, err := os.ReadFile(filepath.Join(out, runName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		names := make([]string, 0, 3)
		for _, e := range there[:min(3, len(there))] {
			names = append(names, e.Name())
		}
		return fmt.Errorf("%w: %s contains %s; choose a new or empty directory", ErrForeignOutput, out, strings.Join(names, ", "))
	case err != nil:
		return fmt.Errorf("output directory: %w", err)
	case !slices.Equal(old, recipe):
		return fmt.Errorf("%w: %s was made by another run (see %s); choose a new directory or the same settings", ErrForeignOutput, out, filepath.Join(out, runName))
	}
	return nil
}
