package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// texture renders a picture with smooth shading, fine noise and a few shapes.
func texture(w, h int, seed uint64) *picture.RGB {
	d := newDice(seed, 0)
	p := picture.NewRGB(w, h)
	var wave [6][4]float64
	for k := range wave {
		wave[k] = [4]float64{d.uniform(-0.2, 0.2), d.uniform(-0.2, 0.2), d.uniform(0, 6), d.uniform(10, 30)}
	}
	for i := range w * h {
		x, y := float64(i%w), float64(i/w)
		for c := range 3 {
			v := 128 + 4*d.NormFloat64()
			for k, a := range wave {
				v += a[3] * math.Sin(a[0]*x+a[1]*y+a[2]+float64(c*k))
			}
			p.Pix[i*3+c] = toByte(float32(v))
		}
	}
	for range 4 {
		m := picture.NewGray(w, h)
		d.addOutline(m, d.blob(), point{d.uniform(0, float64(w)), d.uniform(0, float64(h))}, float64(w*h)/30)
		shift := d.between(-80, 80)
		for i, v := range m.Pix {
			for c := range 3 {
				if v != 0 {
					p.Pix[i*3+c] = toByte(float32(p.Pix[i*3+c])/2 + 64 + float32(shift*(c+1))/3)
				}
			}
		}
	}
	return p
}

// photoFolder writes n photographs, JPEG and PNG by turns.
func photoFolder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		p := texture(200+24*i, 180, uint64(i+1))
		var err error
		if path := filepath.Join(dir, fmt.Sprintf("photo%d", i)); i%3 == 2 {
			err = picture.WritePNG(path+".png", p)
		} else {
			err = picture.WriteJPEG(path+".jpg", p, 92)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func testConfig(t *testing.T, photos string) Config {
	c := DefaultConfig()
	c.Photos, c.Out = photos, filepath.Join(t.TempDir(), "out")
	c.Count, c.SizeMin, c.SizeMax, c.Pristine = 14, 128, 200, 0.2
	return c
}

func mustRun(t *testing.T, c Config) Summary {
	t.Helper()
	s, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree reads all files below a directory.
func tree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		files[rel], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func entries(t *testing.T, out string) []Entry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	var all []Entry
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestRunDoesNotDependOnWorkers(t *testing.T) {
	c := testConfig(t, photoFolder(t, 4))
	c.Workers, c.CacheBytes = 1, 1 // and not on what is cached
	mustRun(t, c)
	want := tree(t, c.Out)
	c.Out, c.Workers, c.CacheBytes = filepath.Join(t.TempDir(), "other"), 4, 0
	mustRun(t, c)
	got := tree(t, c.Out)
	if len(got) != 2*c.Count+2 || len(want) != len(got) {
		t.Fatalf("%d and %d files, want %d", len(want), len(got), 2*c.Count+2)
	}
	for name, data := range want {
		if !bytes.Equal(data, got[name]) {
			t.Errorf("%s differs between 1 and 4 workers", name)
		}
	}
	c.Out, c.Seed = filepath.Join(t.TempDir(), "third"), 2
	mustRun(t, c)
	if bytes.Equal(tree(t, c.Out)[ManifestName], want[ManifestName]) {
		t.Error("another seed made the same manifest")
	}
}

func TestFilesAreWhatMakeReturns(t *testing.T) {
	c := testConfig(t, photoFolder(t, 3))
	seen := 0
	c.Progress = func(done, total int) {
		if seen++; done != seen || total != c.Count {
			t.Errorf("progress %d of %d, want %d of %d", done, total, seen, c.Count)
		}
	}
	s := mustRun(t, c)
	if s.Made != c.Count || seen != c.Count || s.Photos != 3 || len(s.Unreadable) != 0 {
		t.Errorf("summary %+v after %d calls of progress", s, seen)
	}
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries(t, c.Out) {
		if e.Index != uint64(i) {
			t.Fatalf("manifest line %d has index %d", i, e.Index)
		}
		want, err := f.Make(t.Context(), e.Index)
		if err != nil {
			t.Fatal(err)
		}
		image, err := picture.Open(filepath.Join(c.Out, e.Image), picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		mask, err := picture.OpenGray(filepath.Join(c.Out, e.Mask), picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(image.RGB.Pix, want.Picture.Pix) || !bytes.Equal(mask.Pix, want.Mask.Pix) {
			t.Errorf("%s: file and sample differ", e.Name)
		}
		if image.RGB.Width != e.Width || mask.Width != e.Width || mask.Height != e.Height || image.RGB.Height != e.Height {
			t.Errorf("%s: sizes differ: picture %d x %d, mask %d x %d, manifest %d x %d", e.Name,
				image.RGB.Width, image.RGB.Height, mask.Width, mask.Height, e.Width, e.Height)
		}
		checkMask(t, e, mask)
	}
}

func checkMask(t *testing.T, e Entry, mask *picture.Gray) {
	t.Helper()
	for _, v := range mask.Pix {
		if v != 0 && v != 255 {
			t.Fatalf("%s: mask holds %d", e.Name, v)
		}
	}
	switch got := share(mask); {
	case math.Abs(got-e.Share) > 1e-12:
		t.Errorf("%s: manifest says %v of it is manipulated, mask %v", e.Name, e.Share, got)
	case e.Method == MethodPristine && got != 0:
		t.Errorf("%s: untouched picture with a mask", e.Name)
	// Resampling may move the share a little.
	case e.Method != MethodPristine && (got < 0.9*MinShare || got > 1.05*MaxShare):
		t.Errorf("%s: mask covers %v", e.Name, got)
	}
}

func TestMethodsAreSpreadEvenly(t *testing.T) {
	f := &Forger{methods: Methods(), config: Config{Seed: 3}}
	n := map[string]int{}
	for i := range uint64(40) {
		n[f.methodFor(i)]++
	}
	for _, m := range []string{"splice", "copy-move", "inpaint-diffusion", "inpaint-exemplar"} {
		if n[m] != 40/len(f.methods) {
			t.Errorf("%s is drawn %d times in 40 among %d methods", m, n[m], len(f.methods))
		}
	}
}

func TestBrokenPhotosAreSkipped(t *testing.T) {
	dir := photoFolder(t, 3)
	for name, data := range map[string]string{"empty.jpg": "", "text.png": "not a picture at all"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := picture.WritePNG(filepath.Join(dir, "tiny.png"), texture(40, 300, 9)); err != nil {
		t.Fatal(err)
	}
	s := mustRun(t, testConfig(t, dir))
	var names []string
	for _, f := range s.Unreadable {
		names = append(names, f.Path)
	}
	if want := []string{"empty.jpg", "text.png", "tiny.png"}; !slices.Equal(names, want) || s.Made != 14 {
		t.Errorf("made %d, unreadable %v, want %v", s.Made, s.Unreadable, want)
	}
}

func TestRunRefuses(t *testing.T) {
	photos := photoFolder(t, 2)
	onlyBroken := t.TempDir()
	os.WriteFile(filepath.Join(onlyBroken, "a.jpg"), []byte("x"), 0o644)
	foreign := t.TempDir()
	os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("x"), 0o644)
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no pictures":    {func(c *Config) { c.Photos = t.TempDir() }, "no photographs found"},
		"missing folder": {func(c *Config) { c.Photos = filepath.Join(photos, "nowhere") }, "nowhere"},
		"only broken":    {func(c *Config) { c.Photos = onlyBroken }, "a.jpg"},
		"foreign output": {func(c *Config) { c.Out = foreign }, "contains thesis.txt"},
		"output inside":  {func(c *Config) { c.Out = filepath.Join(photos, "out") }, "is inside"},
		"no output":      {func(c *Config) { c.Out = "" }, "no output directory"},
		"method":         {func(c *Config) { c.Methods = []string{"magic"} }, `method "magic" is unknown`},
		"twice":          {func(c *Config) { c.Methods = []string{"splice", "splice"} }, "given twice"},
		"count":          {func(c *Config) { c.Count = 0 }, "count is 0"},
		"size":           {func(c *Config) { c.SizeMin = 300 }, "size is 300,200"},
		"quality":        {func(c *Config) { c.JPEGMax = 101 }, "jpeg quality is 75,101"},
		"pristine":       {func(c *Config) { c.Pristine = math.NaN() }, "pristine share is NaN"},
		"treated":        {func(c *Config) { c.Treated = 1.5 }, "treated share is 1.5"},
	} {
		c := testConfig(t, photos)
		tc.change(&c)
		_, err := Run(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
		}
		if _, err := os.Stat(filepath.Join(c.Out, ManifestName)); err == nil {
			t.Errorf("%s: a manifest was written", name)
		}
		if _, err := os.Stat(c.Out); name == "only broken" && err == nil {
			t.Errorf("%s: the output folder was left, though nothing was made", name)
		}
	}
}

func TestOnePhotoIsTooFewToSplice(t *testing.T) {
	c := testConfig(t, photoFolder(t, 1))
	c.Methods, c.Pristine = []string{"splice"}, 0
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "second photograph") {
		t.Errorf("error %v, want one that asks for a second photograph", err)
	}
}

func TestSameRunMayGoOnAnotherMayNot(t *testing.T) {
	c := testConfig(t, photoFolder(t, 2))
	c.Count = 4
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(done, total int) { cancel() }
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v after cancelling, want %v", err, context.Canceled)
	}
	if _, err := os.Stat(filepath.Join(c.Out, ManifestName)); err == nil {
		t.Fatal("a cancelled run left a manifest")
	}
	c.Progress = nil
	mustRun(t, c)
	if n := len(entries(t, c.Out)); n != c.Count {
		t.Errorf("%d entries, want %d", n, c.Count)
	}
	c.Seed++
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrForeignOutput) {
		t.Errorf("error %v for another seed in the same folder, want %v", err, ErrForeignOutput)
	}
}

// Photos lists what a linked directory contains once, and leaves out hidden files and GIFs. The
// order is that of the paths' bytes.
func TestPhotos(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	for _, path := range []string{"b.jpg", "a/z.PNG", "a-1.jpg", "a/.hidden.jpg", ".b/c.jpg", "d.gif", "e.txt"} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(other, "y.jpg"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"linked": other, "linked2": other, "loop": root} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Photos(root)
	if want := []string{"a-1.jpg", "a/z.PNG", "b.jpg", "linked/y.jpg"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; expected %q", got, err, want)
	}
}
