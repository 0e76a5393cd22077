package dataset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// drawColours writes a mask of 8 x 8 pixels as Columbia's are: red, and green in a corner of 4 x 4
// pixels.
func drawColours(t *testing.T, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	p := picture.NewRGB(8, 8)
	for i := range 64 {
		switch x, y := i%8, i/8; {
		case x < 2 && y < 4:
			p.Pix[3*i+1] = 255
		case x < 4 && y < 4:
			p.Pix[3*i+1] = 200
		case x < 6:
			p.Pix[3*i] = 255
		default:
			p.Pix[3*i], p.Pix[3*i+1] = 200, 40 // as JPEG leaves it
		}
	}
	if err := picture.WritePNG(path, p); err != nil {
		t.Fatal(err)
	}
}

// Each arrangement with a small tree: a file at the level 9 is a picture, at 255 a mask that marks
// all but 16 pixels, at 0 one that marks 16.
func TestArrangements(t *testing.T) {
	const mask, inverted, photo = 0, 255, 9
	for _, c := range []struct {
		layout string
		files  map[string]uint8
		all    string // with all sets
		notice string
		unused string // a picture file that is not used
	}{
		{LayoutColumbia, map[string]uint8{"4cam_splc/a_b_sub_01.tif": photo, "4cam_auth/a_02_sub_01.tif": photo, "4cam_splc/edgemask/a_b_sub_01_edgemask_3.jpg": mask},
			"a_02_sub_01.tif||real||0 a_b_sub_01.tif||tampered|splicing|16", "read as Columbia: 1 manipulated, 1 untouched", "a_b_sub_01_edgemask_3.jpg"},
		{LayoutDSO1, map[string]uint8{"DSO-1/splicing-01.png": photo, "DSO-1/normal-01.png": photo, "DSO-1-Fake-Images-Masks/splicing-01.png": inverted},
			"normal-01.png||real||0 splicing-01.png||tampered|splicing|16", "read as DSO-1: 1 manipulated, 1 untouched; black means manipulated in its masks", ""},
		{LayoutCASIA, map[string]uint8{
			"CASIA 2.0/Tp/Tp_D_x.tif": photo, "CASIA 2.0/Au/Au_x.jpg": photo, "CASIA 2 Groundtruth/Tp_D_x_gt.png": mask,
			"CASIA 1.0 dataset/Modified TP/CM/s.jpg": photo, "CASIA 1.0 dataset/Au/t.jpg": photo, "CASIA 1.0 groundtruth/CM/s_gt.png": mask},
			"t.jpg||real||0 s.jpg||casia1||16 Au_x.jpg||real||0 Tp_D_x.tif||casia2||16", "read as CASIA: 2 manipulated, 2 untouched", ""},
		{LayoutCocoGlide, map[string]uint8{"fake/glide_inpainting_val2017_114871_up.png": photo, "real/dining table_114871.png": photo, "mask/dining table_114871_mask.png": mask},
			"glide_inpainting_val2017_114871_up.png||tampered|glide|16 dining table_114871.png||real||0", "read as CocoGlide: 1 manipulated, 1 untouched", ""},
		{LayoutTGIF, map[string]uint8{
			"sd2-fr/testing/hair drier/134886_mask_bbox.png_sd2-512_0.png": photo, "masks/testing/hair drier/134886_mask_bbox_512.png": mask,
			"sdxl-fr/testing/cat/5_mask_segm.png_sdxl-1024_2.png": photo, "masks/testing/cat/5_mask_segm_1024.png": mask,
			"sd2-sp/validation/cat/6_mask_bbox.png_ps_mask.png_sd2_1.png": photo, "masks/validation/cat/6_mask_bbox.png_ps_mask.png": mask,
			"ps-sp/training/cat/7_mask_segm.png_ps_1.png": photo, "masks/training/cat/7_mask_segm.png_ps_mask.png": mask, "masks/training/cat/7_mask_segm.png": mask,
			"orig/training/cat/7_orig.png": photo},
			"7_orig.png|train|real||0 7_mask_segm.png_ps_1.png|train|ps-sp|ps-sp|16 134886_mask_bbox.png_sd2-512_0.png|test|sd2-fr|sd2-fr|16 " +
				"6_mask_bbox.png_ps_mask.png_sd2_1.png|valid|sd2-sp|sd2-sp|16 5_mask_segm.png_sdxl-1024_2.png|test|sdxl-fr|sdxl-fr|16",
			"read as TGIF: 4 manipulated, 1 untouched", "7_mask_segm.png"},
		{LayoutKorus, map[string]uint8{"Sony_A57/tampered-realistic/r1.TIF": photo, "Sony_A57/pristine/r1.TIF": photo, "Sony_A57/ground-truth/r1.PNG": mask},
			"r1.TIF||real||0 r1.TIF||tampered||16", "read as Realistic Tampering: 1 manipulated, 1 untouched", ""},
		{LayoutCoverage, map[string]uint8{"tampered/1t.tif": photo, "mask/1forged.tif": mask}, "1t.tif||tampered|copy-move|16", "read as COVERAGE: 1 manipulated, 0 untouched", ""},
	} {
		dir := t.TempDir()
		for path, level := range c.files {
			draw(t, level, 8, 8, append([]string{dir}, strings.Split(path, "/")...)...)
		}
		if c.layout == LayoutColumbia {
			drawColours(t, dir, "4cam_splc", "edgemask", "a_b_sub_01_edgemask.jpg")
		}
		var notices []string
		s, err := Open(context.Background(), dir, Options{Sets: []string{All}, Split: All, Notice: func(text string) { notices = append(notices, text) }})
		if err != nil {
			t.Errorf("%s: %v", c.layout, err)
			continue
		}
		if got := describe(t, s); got != c.all || s.Layout() != c.layout {
			t.Errorf("layout %s: %q\nexpected %s: %q", s.Layout(), got, c.layout, c.all)
		}
		said := strings.Join(notices, "; ")
		if !strings.Contains(said, c.notice) {
			t.Errorf("%s: notices %q, expected %q", c.layout, said, c.notice)
		}
		if want := "1 picture files are not part of the layout and not used"; strings.Contains(said, want) != (c.unused != "") || !strings.Contains(said, c.unused) {
			t.Errorf("%s: notices %q, unused %q", c.layout, said, c.unused)
		}
		if _, err := Open(context.Background(), t.TempDir(), Options{Layout: c.layout}); err == nil || !strings.Contains(err.Error(), "layout of") {
			t.Errorf("an empty directory as %s: %v", c.layout, err)
		}
	}
}

// A picture whose mask is missing is named with the mask; a directory in two layouts is refused.
func TestArrangementProblems(t *testing.T) {
	dir := t.TempDir()
	draw(t, 9, 8, 8, dir, "DSO-1", "splicing-01.png")
	draw(t, 9, 8, 8, dir, "DSO-1", "splicing-02.png")
	draw(t, 255, 8, 8, dir, "DSO-1-Fake-Images-Masks", "splicing-01.png")
	_, err := Open(context.Background(), dir, Options{})
	if want := "splicing-02.png has no mask DSO-1-Fake-Images-Masks/splicing-02"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, expected one with %q", err, want)
	}
	draw(t, 9, 8, 8, dir, "mask", "1forged.tif")
	draw(t, 9, 8, 8, dir, "image", "1t.tif")
	if _, err := Open(context.Background(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "is in the layouts dso1 and coverage: choose one with --layout") {
		t.Errorf("two layouts: %v", err)
	}
	if s, err := Open(context.Background(), dir, Options{Layout: LayoutCoverage}); err != nil || s.Len() != 1 {
		t.Errorf("a chosen layout: %v, %v", s, err)
	}
}

func TestNIST16(t *testing.T) {
	dir := t.TempDir()
	draw(t, 9, 8, 8, dir, "probe", "NC2016_0128.jpg")
	draw(t, 9, 8, 8, dir, "probe", "NC2016_0129.jpg")
	draw(t, 255, 8, 8, dir, "reference", "manipulation", "mask", "NC2016_3942.png")
	index := "TaskID|ProbeFileID|ProbeFileName|ProbeMaskFileName|IsTarget|BaseFileName|IsManipulationTypeSplice|IsManipulationTypeRemoval\n" +
		"manipulation|a|probe/NC2016_0128.jpg|reference/manipulation/mask/NC2016_3942.png|Y|world/x.jpg|Y|N\n" +
		"manipulation|b|probe/NC2016_0129.jpg||N|||\n"
	path := write(t, index, dir, "reference", "manipulation", "NC2016-manipulation-ref.csv")
	var notices []string
	s, err := Open(context.Background(), dir, Options{Sets: []string{All}, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, s), "NC2016_0128.jpg||tampered|splicing|16 NC2016_0129.jpg||real||0"; got != want || s.Layout() != LayoutNIST16 {
		t.Errorf("%s %q, expected %q", s.Layout(), got, want)
	}
	if want := "read as NIST16: 1 manipulated, 1 untouched; black means manipulated in its masks"; len(notices) != 1 || !strings.Contains(notices[0], want) {
		t.Errorf("notices %q", notices)
	}
	for text, want := range map[string]string{
		strings.Replace(index, "3942", "3943", 1):     "NC2016_3943.png\" of " + filepath.Join(dir, "probe", "NC2016_0128.jpg") + " does not exist",
		strings.Replace(index, "0129", "0130", 1):     "NC2016_0130.jpg does not exist",
		strings.Replace(index, "IsTarget", "Is", 1):   `has no column "IsTarget"`,
		strings.SplitAfter(index, "\n")[0]:            "no pictures",
		strings.Replace(index, "|N|||\n", "|N|\n", 1): "wrong number of fields",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), dir, Options{Sets: []string{All}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected one with %q", err, want)
		}
	}
}

// Tp and Gt whose names do not pair, as IMDLBenCo accepts them, need an option.
func TestPairByPosition(t *testing.T) {
	dir := t.TempDir()
	draw(t, 9, 8, 8, dir, "Tp", "x1.jpg")
	draw(t, 9, 8, 8, dir, "Tp", "x2.jpg")
	draw(t, 0, 8, 8, dir, "Gt", "m1.png")
	draw(t, 255, 8, 8, dir, "Gt", "m2.png")
	_, err := Open(context.Background(), dir, Options{})
	if want := "both directories have 2 files: --pair-by-position pairs them in sorted order"; err == nil || strings.Count(err.Error(), want) != 1 {
		t.Errorf("error %v, expected one with %q", err, want)
	}
	var notices []string
	s, err := Open(context.Background(), dir, Options{PairByPosition: true, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, s), "x1.jpg||tampered||16 x2.jpg||tampered||48"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	if said := strings.Join(notices, "; "); !strings.Contains(said, "paired by position: x1.jpg with m1.png, and so on to x2.jpg with m2.png") {
		t.Errorf("notices %q", said)
	}
	draw(t, 9, 8, 8, dir, "Gt", "m3.png")
	if _, err := Open(context.Background(), dir, Options{PairByPosition: true}); err == nil || !strings.Contains(err.Error(), "2 files in Tp and 3 in Gt cannot be paired by position") {
		t.Errorf("other numbers of files: %v", err)
	}
}

// Masks that do not look as their layout says are pointed out.
func TestPolarityAgainstLayout(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"1", "2", "3", "4"} {
		draw(t, 9, 20, 20, dir, "DSO-1", "splicing-0"+n+".png")
		square(t, dir, "DSO-1-Fake-Images-Masks", "splicing-0"+n+".png")
	}
	var notices []string
	if _, err := Open(context.Background(), dir, Options{Notice: func(text string) { notices = append(notices, text) }}); err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(notices, "; "); !strings.Contains(said, "masks are read as black = manipulated, which seems wrong: in 4 of 4") {
		t.Errorf("notices %q", said)
	}
}

// square writes a mask of 20 x 20 pixels with a white square inside.
func square(t *testing.T, parts ...string) {
	t.Helper()
	draw(t, 0, 20, 20, parts...)
	g := picture.NewGray(20, 20)
	for i := range g.Pix {
		if x, y := i%20, i/20; x > 5 && x < 12 && y > 5 && y < 12 {
			g.Pix[i] = 255
		}
	}
	if err := picture.WritePNG(filepath.Join(parts...), g); err != nil {
		t.Fatal(err)
	}
}
