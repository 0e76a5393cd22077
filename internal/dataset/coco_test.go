package dataset

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

const cocoFile = `{"images":[
 {"id":1,"file_name":"a.png","width":8,"height":6},
 {"id":2,"file_name":"b.png","width":4,"height":3},
 {"id":3,"file_name":"c.png","width":4,"height":3}],
 "categories":[{"id":1,"name":"splicing"},{"id":2,"name":"Authentic"},{"id":3,"name":"removal"}],
 "annotations":[
 {"id":10,"image_id":1,"category_id":1,"iscrowd":0,"segmentation":[[1,1,5,1,5,3,1,3]]},
 {"id":11,"image_id":1,"category_id":3,"iscrowd":1,"segmentation":{"size":[6,8],"counts":[0,6,42]}},
 {"id":12,"image_id":1,"category_id":2,"segmentation":[[0,0,8,0,8,6,0,6]]},
 {"id":13,"image_id":2,"category_id":1,"segmentation":{"size":[3,4],"counts":"237"}}]}`

// COCO's annotations are the masks: their union, categories as methods, and untouched pictures.
func TestCOCO(t *testing.T) {
	dir := t.TempDir()
	draw(t, 100, 8, 6, dir, "val", "a.png")
	draw(t, 100, 4, 3, dir, "val", "b.png")
	draw(t, 100, 4, 3, dir, "val", "c.png")
	path := write(t, cocoFile, dir, "instances.json")
	var notices []string
	o := Options{Images: filepath.Join(dir, "val"), Notice: func(text string) { notices = append(notices, text) }}
	s, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	// The square of 4 x 2 and the first column of 6.
	if got, want := describe(t, s), "a.png|||removal+splicing|14 b.png|||splicing|3 c.png||||0"; got != want || s.Layout() != LayoutCOCO {
		t.Errorf("%s %q, expected %q", s.Layout(), got, want)
	}
	if s.Item(0).Mask != path+", image 1" || s.Item(0).Label != Manipulated || s.Item(2).Label != Untouched {
		t.Errorf("items %+v and %+v", s.Item(0), s.Item(2))
	}
	all := strings.Join(notices, "; ")
	for _, want := range []string{"instances.json: 1 of 3 pictures have no annotation and count as untouched", `1 annotations of category "Authentic" mark nothing`} {
		if !strings.Contains(all, want) {
			t.Errorf("notices %q, expected one with %q", all, want)
		}
	}
}

// Other annotations are other contents, also where pictures are the same. Spelling does not matter.
func TestCOCOContents(t *testing.T) {
	dir := t.TempDir()
	draw(t, 100, 8, 6, dir, "a.png")
	draw(t, 100, 4, 3, dir, "b.png")
	draw(t, 100, 4, 3, dir, "c.png")
	contents := func(text string) string {
		t.Helper()
		s, err := Open(context.Background(), write(t, text, dir, "coco.json"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := Contents(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := contents(cocoFile)
	if contents(strings.ReplaceAll(cocoFile, " ", "  ")) != first {
		t.Error("spaces are other contents")
	}
	if contents(strings.Replace(cocoFile, "5,1,5,3", "6,1,6,3", 1)) == first {
		t.Error("another polygon is the same contents")
	}
	if contents(strings.Replace(cocoFile, "[0,6,42]", "[0,7,41]", 1)) == first {
		t.Error("another run is the same contents")
	}
}

func TestCOCOProblems(t *testing.T) {
	dir := t.TempDir()
	draw(t, 100, 8, 6, dir, "a.png")
	draw(t, 100, 4, 3, dir, "b.png")
	draw(t, 100, 4, 3, dir, "c.png")
	for _, c := range []struct{ from, to, want string }{
		{`"b.png"`, `"d.png"`, filepath.Join(dir, "d.png") + " of image 2 in " + filepath.Join(dir, "coco.json") + " does not exist; --images names"},
		{`"width":4,"height":3},` + "\n" + ` {"id":3`, `"width":3,"height":4},` + "\n" + ` {"id":3`, "annotation 13 of image 2: its run lengths are for size [3 4], its picture is [4 3]"},
		{`"c.png","width":4,"height":3`, `"c.png","width":5,"height":3`, "c.png is 4x3, its mask " + filepath.Join(dir, "coco.json") + ", image 3 is 5x3"},
		{`{"id":1,"file_name":"a.png","width":8,"height":6}`, `{"id":1,"file_name":"a.png","width":8,"height":7}`, "annotation 11 of image 1: its run lengths are for size [6 8]"},
		{`"237"`, `"239"`, "annotation 13 of image 2: its run lengths go beyond the 12 pixels"},
		{`}]}`, `}]`, "coco.json: unexpected end of JSON input"},
	} {
		text := strings.Replace(cocoFile, c.from, c.to, 1)
		if text == cocoFile {
			t.Fatalf("%s is not in the file", c.from)
		}
		_, err := Open(context.Background(), write(t, text, dir, "coco.json"), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", c.to, err, c.want)
		}
	}
	// Sizes that disagree: the picture's file says 8 x 6.
	text := `{"images":[{"id":1,"file_name":"a.png","width":9,"height":6}],"annotations":[{"id":4,"image_id":1,"segmentation":[[0,0,2,0,2,2]]}]}`
	_, err := Open(context.Background(), write(t, text, dir, "coco.json"), Options{})
	if want := "a.png is 8x6, its mask " + filepath.Join(dir, "coco.json") + ", image 1 is 9x6"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, expected one with %q", err, want)
	}
	if _, err := Open(context.Background(), write(t, "image,label\na.png,0\n", dir, "x.csv"), Options{Layout: LayoutCOCO}); err == nil || !strings.Contains(err.Error(), "expected COCO's JSON") {
		t.Errorf("a CSV file as COCO: %v", err)
	}
}
