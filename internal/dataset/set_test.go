package dataset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// writePair adds a picture and a mask of the given sizes to a data set.
func writePair(t *testing.T, dir, name string, w, h, mw, mh int) {
	t.Helper()
	for _, sub := range []string{"images", "masks"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := picture.WritePNG(filepath.Join(dir, "images", name), picture.NewRGB(w, h)); err != nil {
		t.Fatal(err)
	}
	mask := picture.NewGray(mw, mh)
	mask.Pix[0] = 255
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	if err := picture.WritePNG(filepath.Join(dir, "masks", stem+".png"), mask); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, "b.png", 20, 10, 20, 10)
	writePair(t, dir, "a.png", 8, 9, 8, 9)
	manifest := `{"name":"a","method":"splice"}` + "\n\n" + `{"image":"images/b.png","method":"copy-move"}`
	if err := os.WriteFile(filepath.Join(dir, "manifest.jsonl"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() != 2 {
		t.Fatalf("got %d pictures, want 2", f.Len())
	}
	for i, want := range []struct {
		name, method  string
		width, height int
	}{{"a.png", "splice", 8, 9}, {"b.png", "copy-move", 20, 10}} {
		s, err := f.Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != want.name || s.Method != want.method || s.Picture.Width != want.width || s.Mask.Height != want.height {
			t.Errorf("picture %d: got %s %s %dx%d, want %+v", i, s.Name, s.Method, s.Picture.Width, s.Mask.Height, want)
		}
		if !s.Manipulated() {
			t.Errorf("%s: not manipulated, but its mask has a pixel", s.Name)
		}
	}
	before := f.Fingerprint()
	writePair(t, dir, "c.png", 8, 8, 8, 8)
	g, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if g.Fingerprint() == before {
		t.Error("the fingerprint stayed the same with one more picture")
	}
}

func TestFolderProblems(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    []string
	}{
		{"missing mask", func(t *testing.T, dir string) {
			writePair(t, dir, "good.png", 8, 8, 8, 8)
			writePair(t, dir, "lost.png", 8, 8, 8, 8)
			if err := os.Remove(filepath.Join(dir, "masks", "lost.png")); err != nil {
				t.Fatal(err)
			}
		}, []string{"1 picture is unfit", "images/lost.png", "masks/lost.png"}},
		{"other size", func(t *testing.T, dir string) {
			writePair(t, dir, "odd.png", 8, 8, 8, 7)
		}, []string{"odd.png is 8x8", "8x7"}},
		{"shared mask", func(t *testing.T, dir string) {
			writePair(t, dir, "twin.png", 8, 8, 8, 8)
			writePair(t, dir, "twin.bmp", 8, 8, 8, 8)
		}, []string{"twin.bmp", "twin.png", "share one mask"}},
		{"no picture", func(t *testing.T, dir string) {
			writePair(t, dir, "x.png", 8, 8, 8, 8)
			if err := os.Remove(filepath.Join(dir, "images", "x.png")); err != nil {
				t.Fatal(err)
			}
		}, []string{"no pictures", "images"}},
		{"no folder", func(*testing.T, string) {}, []string{"images"}},
		{"not a picture", func(t *testing.T, dir string) {
			writePair(t, dir, "text.png", 8, 8, 8, 8)
			if err := os.WriteFile(filepath.Join(dir, "images", "text.png"), []byte("hello"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"text.png"}},
		{"manifest", func(t *testing.T, dir string) {
			writePair(t, dir, "a.png", 8, 8, 8, 8)
			if err := os.WriteFile(filepath.Join(dir, "manifest.jsonl"), []byte("{}\n{"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"manifest.jsonl:2"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			_, err := Open(context.Background(), dir, Options{})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestFolderProblemsAreCounted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		writePair(t, dir, name+".png", 8, 8, 9, 9)
	}
	_, err := Open(context.Background(), dir, Options{})
	var pair *PairError
	if !errors.As(err, &pair) || len(pair.Problems) != 7 {
		t.Fatalf("got %v, want a PairError with 7 problems", err)
	}
	if !strings.Contains(err.Error(), "and 2 more") {
		t.Errorf("error %q does not say how many more", err)
	}
	f, err := Open(context.Background(), dir, Options{SkipSizes: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(context.Background(), 0); err == nil || !strings.Contains(err.Error(), "a.png") {
		t.Errorf("Load of a mis-sized pair: got %v, want an error with its name", err)
	}
}
