package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// draw writes a picture of w x h pixels, grey at the given level, with a square at 255 - level in
// its corner.
func draw(t *testing.T, level uint8, w, h int, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	g := picture.NewGray(w, h)
	for i := range g.Pix {
		g.Pix[i] = level
		if i%w < 4 && i/w < 4 {
			g.Pix[i] = 255 - level
		}
	}
	if err := picture.WritePNG(path, g); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, text string, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// describe tells of each sample: file, split, set, method, how much its mask marks.
func describe(t *testing.T, s *Set) string {
	t.Helper()
	var lines []string
	for i := range s.Len() {
		sample, err := s.Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		marked := "-"
		if sample.Mask != nil {
			n := 0
			for _, v := range sample.Mask.Pix {
				n += int(v / 255)
			}
			marked = fmt.Sprint(n)
		}
		it := s.Item(i)
		lines = append(lines, strings.Join([]string{sample.Name, it.Split, it.Set, sample.Method, marked}, "|"))
	}
	return strings.Join(lines, " ")
}

// makeDolos writes a data set like Dolos; its masks are inverted.
func makeDolos(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "dolos")
	for _, set := range []string{"lama", "ldm"} {
		for _, split := range []string{"train", "valid", "test"} {
			for i := range 2 {
				name := fmt.Sprintf("%d.png", i)
				draw(t, 100, 12, 10, dir, "fake", set, "images", split, name)
				draw(t, 255, 12, 10, dir, "fake", set, "masks", split, name)
			}
		}
	}
	draw(t, 90, 8, 8, dir, "real", "test", "r.jpg.png")
	return dir
}

func makeAutoSplice(t *testing.T) string {
	dir := t.TempDir()
	for _, q := range []string{"75", "90"} {
		draw(t, 100, 12, 10, dir, "Forged_JPEG"+q, "7_a_0.png")
		draw(t, 100, 12, 10, dir, "Forged_JPEG"+q, "7_a_1.png")
	}
	draw(t, 0, 12, 10, dir, "Mask", "7_a_mask.png")
	draw(t, 90, 8, 8, dir, "Authentic", "9.png")
	return dir
}

func TestLayouts(t *testing.T) {
	dolos, splice := makeDolos(t), makeAutoSplice(t)
	folder, splits := t.TempDir(), t.TempDir()
	draw(t, 100, 12, 10, folder, "images", "a.png")
	draw(t, 0, 12, 10, folder, "masks", "a.tif.png") // another name, not for a.png
	draw(t, 0, 12, 10, folder, "masks", "a.png")
	for _, split := range []string{"train", "val"} {
		draw(t, 100, 12, 10, splits, split, "images", "a.png")
		draw(t, 0, 12, 10, splits, split, "masks", "a.png")
		draw(t, 100, 12, 10, folder+"2", "images", split, "a.png")
		draw(t, 0, 12, 10, folder+"2", "masks", split, "a.png")
	}
	write(t, `{"name":"a","method":"splice"}`, splits, "val", "manifest.jsonl")
	plain := filepath.Join(t.TempDir(), "photos")
	draw(t, 90, 8, 8, plain, "x", "1.png")
	draw(t, 90, 8, 8, plain, ".hidden", "2.png")
	write(t, "image,mask,label,method,split,polarity\na.png,m.png,,paste,train,\na.png,n.png,1,,test,black\nb.png,,real,,test,\n",
		folder, "list.csv")
	draw(t, 100, 12, 10, folder, "a.png")
	draw(t, 100, 12, 10, folder, "b.png")
	draw(t, 0, 12, 10, folder, "m.png")
	draw(t, 255, 12, 10, folder, "n.png")
	for _, c := range []struct {
		name    string
		options Options
		layout  string
		want    string
	}{
		{dolos, Options{DefaultSplit: "test"}, LayoutDolos, "0.png|test|lama|lama|16 1.png|test|lama|lama|16 0.png|test|ldm|ldm|16 1.png|test|ldm|ldm|16"},
		{dolos + ":ldm", Options{Split: "val"}, LayoutDolos, "0.png|valid|ldm|ldm|16 1.png|valid|ldm|ldm|16"},
		{dolos + ":ldm,real,test", Options{Split: "train"}, LayoutDolos, "0.png|test|ldm|ldm|16 1.png|test|ldm|ldm|16 r.jpg.png|test|real||0"},
		{filepath.Join(dolos, "fake", "ldm") + ":train", Options{}, LayoutDolos, "0.png|train|ldm|ldm|16 1.png|train|ldm|ldm|16"},
		{dolos, Options{Split: "test", Sets: []string{"lama"}, Polarity: White}, LayoutDolos, "0.png|test|lama|lama|104 1.png|test|lama|lama|104"},
		{splice, Options{Sets: []string{"JPEG75", "real"}}, LayoutAutoSplice, "7_a_0.png||JPEG75|JPEG75|16 7_a_1.png||JPEG75|JPEG75|16 9.png||real||0"},
		{splice, Options{DefaultSplit: "test"}, LayoutAutoSplice, "7_a_0.png||JPEG75|JPEG75|16 7_a_1.png||JPEG75|JPEG75|16 7_a_0.png||JPEG90|JPEG90|16 7_a_1.png||JPEG90|JPEG90|16"},
		{folder, Options{}, LayoutFolder, "a.png||||16"},
		{folder, Options{Polarity: Black}, LayoutFolder, "a.png||||104"},
		{splits + ":valid", Options{}, LayoutFolder, "a.png|valid||splice|16"},
		{splits, Options{}, LayoutFolder, "a.png|train|||16 a.png|valid||splice|16"},
		{folder + "2:train", Options{}, LayoutFolder, "a.png|train|||16"},
		{plain + ":untouched", Options{}, LayoutUntouched, "1.png||||0"},
		{plain, Options{Layout: LayoutUntouched}, LayoutUntouched, "1.png||||0"},
		{dolos + "/real:untouched,test", Options{}, LayoutUntouched, "r.jpg.png|test|||0"},
		{filepath.Join(folder, "list.csv") + ":test", Options{}, LayoutList, "a.png|test|||16 b.png|test|||0"},
		{filepath.Join(folder, "list.csv") + ":train", Options{}, LayoutList, "a.png|train||paste|16"},
	} {
		s, err := Open(context.Background(), c.name, c.options)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := describe(t, s); s.Layout() != c.layout || got != c.want {
			t.Errorf("%s: %s %q, expected %s %q", c.name, s.Layout(), got, c.layout, c.want)
		}
	}
	s, err := Open(context.Background(), dolos+":ldm,real,test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := ":ldm,real,test (dolos, test: ldm 2, real 1)"; !strings.HasSuffix(s.String(), want) {
		t.Errorf("said to be %q, expected ...%q", s, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	dolos, splice, folder := makeDolos(t), makeAutoSplice(t), t.TempDir()
	draw(t, 100, 12, 10, folder, "images", "a.png")
	draw(t, 0, 12, 10, folder, "masks", "a.png")
	photos := t.TempDir()
	draw(t, 90, 8, 8, photos, "x.png")
	if err := os.Remove(filepath.Join(dolos, "fake", "ldm", "masks", "test", "1.png")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(splice, "Mask", "7_a_mask.png")); err != nil {
		t.Fatal(err)
	}
	draw(t, 0, 12, 10, splice, "Mask", "8_mask.png")
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"nowhere", Options{}, "data set nowhere: file does not exist"},
		{"nowhere:test", Options{}, "data set nowhere:test: file does not exist"},
		{t.TempDir(), Options{}, "is not a data set: expected directories images and masks in it"},
		{photos, Options{}, "it contains 1 pictures: if they are all untouched, name it " + photos + ":untouched"},
		{folder, Options{Layout: "voc"}, `data layout "voc": expected one of list, coco, parquet, dolos`},
		{folder, Options{Layout: LayoutDolos}, "expected fake/SET/images/SPLIT in it"},
		{folder, Options{Layout: LayoutAutoSplice}, "expected Forged_JPEG75 (or 90, 100) and Mask in it"},
		{folder, Options{Layout: LayoutCOCO}, "is a directory: expected COCO's JSON"},
		{folder, Options{Layout: LayoutList}, "is a directory: expected a CSV or JSONL file"},
		{folder + ":test", Options{}, `has no splits: expected one named "test"`},
		{folder + ":ldm", Options{}, `has no sets: expected one named "ldm"`},
		{folder + ":,", Options{}, "expected splits or sets after the colon"},
		{dolos + ":gan,train", Options{}, `has no set "gan": it has lama, ldm, real`},
		{dolos + ":real,train", Options{}, "nothing of set real is in split train: no pictures"},
		{dolos + ":ldm,test", Options{}, "fake/ldm/images/test/1.png has no fake/ldm/masks/test/1.png"},
		{splice, Options{}, "Forged_JPEG75/7_a_0.png has no Mask/7_a_mask.png"},
	} {
		if _, err := Open(context.Background(), c.name, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: got %v, expected ...%q", c.name, c.options, err, c.want)
		}
	}
}

func TestLists(t *testing.T) {
	dir := t.TempDir()
	draw(t, 100, 12, 10, dir, "in", "a.png")
	draw(t, 0, 12, 10, dir, "in", "m.png")
	draw(t, 255, 12, 10, dir, "in", "n.png")
	for text, want := range map[string]string{
		"image\tmask\nin/a.png\tin/m.png\n":                                  "a.png||||16",
		"\xef\xbb\xbfImage; Mask\nin/a.png; in/m.png\n":                      "a.png||||16",
		"mask,image,notes\nin/m.png,in/a.png,\"x,\ny\"\n":                    "a.png||||16",
		"image,mask,set\n" + filepath.Join(dir, "in/a.png") + ",in/m.png,s1": "a.png||s1||16",
		`{"image":"in/a.png","mask":"in/m.png","method":"x"}` + "\n\n":       "a.png|||x|16",
		`{"polarity":"black","split":"val"}` + "\n" + `{"image":"in/a.png","mask":"in/n.png"}` + "\n" + `{"image":"in/a.png","label":0}`: "a.png|valid|||16 a.png|valid|||0",
	} {
		s, err := Open(context.Background(), write(t, text, dir, "list"), Options{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := describe(t, s); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                   "no pictures",
		"in/a.png,in/m.png\n":                `first line is ["in/a.png" "in/m.png"]: expected column names, "image"`,
		"image,mask\n":                       "no pictures",
		"image,mask\nin/a.png\n":             "wrong number of fields",
		"image,mask\nin/a.png,\n":            "list:2: in/a.png has neither a mask nor a label",
		"image,label\nin/a.png,maybe\n":      `list:2: label "maybe": expected 0 or untouched`,
		"image,mask,polarity\na,b,red":       `list:2: mask polarity "red": expected white`,
		"image,mask\nin/a.png,in/x.png\n":    "in/x.png of " + filepath.Join(dir, "in/a.png") + " does not exist",
		"image,mask\nin/x.png,in/m.png\n":    "in/x.png does not exist",
		"image,label\nin/a.png,1\n":          "in/a.png has no mask",
		`{"image":"in/a.png"`:                "line 1: unexpected end",
		`{"image":3}`:                        "line 1: json: cannot unmarshal number",
		"{\"split\":\"x\"}\n":                "no pictures",
		"{\"image\":\"a\"}\n{\"image\":\"\"": "list:1: a has neither a mask nor a label",
	} {
		if _, err := Open(context.Background(), write(t, text, dir, "list"), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, expected ...%q", text, err, want)
		}
	}
	if _, err := Open(context.Background(), write(t, "a,b", dir, "list.jsonl"), Options{}); err == nil || !strings.Contains(err.Error(), "expected a JSON object on each line") {
		t.Errorf("CSV by the name of JSONL: %v", err)
	}
	s, err := Open(context.Background(), write(t, "image,label\nin/a.png,1\n", dir, "list"), Options{Labels: true})
	if err != nil {
		t.Fatal(err)
	}
	if sample, err := s.Load(context.Background(), 0); err != nil || sample.Mask != nil || !sample.Manipulated() {
		t.Errorf("a picture with a label alone: %+v, %v", sample, err)
	}
}

func TestResizeMasks(t *testing.T) {
	dir := t.TempDir()
	draw(t, 100, 24, 20, dir, "images", "a.png")
	draw(t, 0, 12, 10, dir, "masks", "a.png")
	if _, err := Open(context.Background(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "is 24x20, its mask") {
		t.Errorf("a mask of another size: %v", err)
	}
	s, err := Open(context.Background(), dir, Options{ResizeMasks: true})
	if err != nil {
		t.Fatal(err)
	}
	sample, err := s.Load(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range sample.Mask.Pix { // twice as large: 8 x 8 pixels in the corner
		if want := i%24 < 8 && i/24 < 8; (v == 255) != want || v != 0 && v != 255 {
			t.Fatalf("(%d,%d) is %d", i%24, i/24, v)
		}
	}
	// 5 -> 3 as Pillow's NEAREST: floor((i + 0.5) * 5 / 3) = 0, 2, 4.
	five := &picture.Gray{Pix: []uint8{1, 2, 3, 4, 5}, Width: 5, Height: 1}
	if got := nearest(five, 3, 1).Pix; got[0] != 1 || got[1] != 3 || got[2] != 5 {
		t.Errorf("5 to 3 pixels: %v", got)
	}
}

func TestSelect(t *testing.T) {
	dolos := makeDolos(t)
	all, err := Open(context.Background(), dolos+":all", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if all.Len() != 13 {
		t.Errorf("%d pictures, expected 13", all.Len())
	}
	some := Some(all, 5)
	again := Some(all, 5)
	joint := Join(some, UntouchedFiles([]string{filepath.Join(dolos, "real", "test", "r.jpg.png")}, "untouched", picture.Limits{}))
	if some.Len() != 5 || joint.Len() != 6 || Fingerprint(some) != Fingerprint(again) || Fingerprint(some) == Fingerprint(Some(all, 4)) {
		t.Errorf("%d and %d pictures", some.Len(), joint.Len())
	}
	if Fingerprint(joint) == Fingerprint(some) || Some(all, 0) != Source(all) || Join(all) != Source(all) {
		t.Error("joined and partial sources can't be told apart")
	}
	last := ""
	for i := range joint.Len() {
		s, err := joint.Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		if s.Path != PathOf(joint, i) || s.Path == last {
			t.Errorf("sample %d is %s, said to be %s", i, s.Path, PathOf(joint, i))
		}
		last = s.Path
		if i == 5 && (s.Manipulated() || s.Method != "untouched" || s.Mask == nil) {
			t.Errorf("untouched picture: %+v", s)
		}
	}
	if _, err := Open(context.Background(), dolos+":real,train", Options{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v", err)
	}
}
