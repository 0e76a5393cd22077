package dataset

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// Published layouts: files with the level of their pixels, and what is read of them.
func TestFieldLayouts(t *testing.T) {
	for _, c := range []struct {
		layout string
		files  map[string]uint8 // by path, of 8 x 8 pixels
		all    string           // with all sets
		usual  int              // pictures without a choice
	}{
		{LayoutMani, map[string]uint8{"Tp/a.jpg": 9, "Tp/b.png": 9, "Gt/a.png": 255, "Gt/b.png": 0}, "a.jpg||tampered||48 b.png||tampered||16", 2},
		{LayoutMani, map[string]uint8{"Tp/CM/x.jpg": 9, "Tp/Sp/y.tif": 9, "CASIA 2 Groundtruth/CM/x_gt.png": 255, "CASIA 2 Groundtruth/y_gt.png": 0, "Au/z.jpg": 9},
			"x.jpg||tampered||48 y.tif||tampered||16 z.jpg||real||0", 2},
		{LayoutIMD2020, map[string]uint8{"1a4/c_orig.jpg": 9, "1a4/c_0.png": 9, "1a4/c_0_mask.png": 255, "2b/d_orig.png": 9, "2b/e_1.jpg": 9, "2b/e_1_mask.png": 0},
			"c_0.png||tampered||48 c_orig.jpg||real||0 d_orig.png||real||0 e_1.jpg||tampered||16", 2},
		{LayoutCoMoFoD, map[string]uint8{"001_F.png": 9, "001_O.png": 9, "001_B.png": 255, "001_M.png": 77, "001_F_JC1.jpg": 9, "001_O_JC1.jpg": 9},
			"001_F.png||tampered|copy-move|48 001_F_JC1.jpg||tampered|copy-move JC1|48 001_O.png||real||0 001_O_JC1.jpg||real||0", 2},
		{LayoutCoverage, map[string]uint8{"image/1.tif": 9, "image/1t.tif": 9, "mask/1copy.tif": 255, "mask/1forged.tif": 255, "mask/1paste.tif": 0},
			"1.tif||real||0 1t.tif||tampered|copy-move|48", 1},
	} {
		dir := t.TempDir()
		for path, level := range c.files {
			draw(t, level, 8, 8, append([]string{dir}, strings.Split(path, "/")...)...)
		}
		s, err := Open(context.Background(), dir, Options{Sets: []string{All}})
		if err != nil {
			t.Errorf("%s: %v", c.layout, err)
			continue
		}
		if got := describe(t, s); got != c.all || s.Layout() != c.layout {
			t.Errorf("layout %s: %q, expected %s: %q", s.Layout(), got, c.layout, c.all)
		}
		usual, err := Open(context.Background(), dir, Options{})
		if err != nil || usual.Len() != c.usual {
			t.Errorf("%s: %v, %v; expected %d pictures", c.layout, usual, err, c.usual)
		}
		if _, err := Open(context.Background(), t.TempDir(), Options{Layout: c.layout}); err == nil || !strings.Contains(err.Error(), "layout of") {
			t.Errorf("an empty directory as %s: %v", c.layout, err)
		}
	}
}

// A picture whose mask is missing is a problem of that picture.
func TestManiWithoutMask(t *testing.T) {
	dir := t.TempDir()
	draw(t, 9, 8, 8, dir, "Tp", "a.png")
	draw(t, 9, 8, 8, dir, "Tp", "b.png")
	draw(t, 255, 8, 8, dir, "Gt", "a.png")
	_, err := Open(context.Background(), dir, Options{})
	if want := filepath.Join(dir, "Tp", "b.png") + " has no mask named b or b_gt or b_mask"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, expected one with %q", err, want)
	}
}

// A balanced list names several data sets. One that names itself ends in an error.
func TestBalancedList(t *testing.T) {
	dir := t.TempDir()
	draw(t, 9, 8, 8, dir, "casia", "Tp", "a.png")
	draw(t, 255, 8, 8, dir, "casia", "Gt", "a.png")
	draw(t, 9, 8, 8, dir, "casia", "Au", "b.png")
	write(t, `[["casia/Au/b.png", "Negative"]]`, dir, "pairs.json")
	path := write(t, `[["ManiDataset", "casia"], ["JsonDataset", "pairs.json"]]`, dir, "both.json")
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, s), "a.png||casia||48 b.png||pairs||0"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	loop := write(t, `[["JsonDataset", "loop.json"]]`, dir, "loop.json")
	if _, err := Open(context.Background(), loop, Options{}); err == nil || !strings.Contains(err.Error(), "names another balanced list") {
		t.Errorf("a list that names itself: %v", err)
	}
}
