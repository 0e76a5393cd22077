package coco

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// golden is a polygon with what rleFrPoly and rleToString of pycocotools (common/maskApi.c of
// cocodataset/cocoapi, commit 28dffd9) make of it: whole and half coordinates, hundredths, and
// polygons that leave the picture.
type golden struct {
	Width, Height int
	Polygon       []float64
	Area          int
	Counts        string
}

func readGolden(t testing.TB) []golden {
	t.Helper()
	text, err := os.ReadFile("testdata/polygons.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []golden
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 40 {
		t.Fatalf("%d polygons, expected 40", len(list))
	}
	return list
}

// one is a file of one picture whose annotation has the given segmentation.
func one(w, h int, segmentation string) string {
	return fmt.Sprintf(`{"images":[{"id":1,"file_name":"a.png","width":%d,"height":%d}],"annotations":[{"id":7,"image_id":1,"category_id":2,"segmentation":%s}]}`, w, h, segmentation)
}

// draw gives the mask of a file of one picture, a line of . and # for each row.
func draw(t *testing.T, text string) string {
	t.Helper()
	images, err := Read([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	mask := images[0].Mask(images[0].Annotations)
	var b strings.Builder
	for i, v := range mask.Pix {
		if i > 0 && i%mask.Width == 0 {
			b.WriteByte('\n')
		}
		b.WriteByte(".#"[v/255])
	}
	return b.String()
}

func TestPolygonsAsPycocotools(t *testing.T) {
	for i, g := range readGolden(t) {
		xy, _ := json.Marshal([][]float64{g.Polygon})
		got := draw(t, one(g.Width, g.Height, string(xy)))
		counts, _ := json.Marshal(g.Counts)
		want := draw(t, one(g.Width, g.Height, fmt.Sprintf(`{"size":[%d,%d],"counts":%s}`, g.Height, g.Width, counts)))
		if area := strings.Count(got, "#"); got != want || area != g.Area {
			t.Errorf("polygon %d marks %d pixels, expected %d:\n%s\n\nexpected\n%s", i, area, g.Area, got, want)
		}
	}
}

// Masks that can be worked out by hand.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name         string
		w, h         int
		segmentation string
		want         string
	}{
		{"a square", 5, 4, `[[1,1,4,1,4,3,1,3]]`, ".....\n.###.\n.###.\n....."},
		{"the whole picture", 2, 2, `[[0,0,2,0,2,2,0,2]]`, "##\n##"},
		{"beyond the border", 3, 2, `[[1,-5,9,-5,9,9,1,9]]`, ".##\n.##"},
		{"two polygons that overlap", 4, 2, `[[0,0,2,0,2,2,0,2],[1,0,3,0,3,1,1,1]]`, "###.\n##.."},
		{"runs, down the columns", 3, 2, `{"size":[2,3],"counts":[1,2,3]}`, ".#.\n#.."},
		{"runs that begin marked", 2, 2, `{"size":[2,2],"counts":[0,3,1]}`, "##\n#."},
		{"compressed runs 1,2,3", 3, 2, `{"size":[2,3],"counts":"123"}`, ".#.\n#.."},
		{"compressed, relative: 1,1,1,1,2", 3, 2, `{"size":[2,3],"counts":"11101"}`, "...\n##."},
	} {
		if got := draw(t, one(c.w, c.h, c.segmentation)); got != c.want {
			t.Errorf("%s:\n%s\nexpected\n%s", c.name, got, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	image := `{"images":[{"id":1,"file_name":"a.png","width":4,"height":4}],`
	for text, want := range map[string]string{
		one(4, 4, `[[0,0,1,1]]`):                        "annotation 7 of image 1: its polygon 1 has 4 numbers",
		one(4, 4, `[[0,0,1,1,2]]`):                      "its polygon 1 has 5 numbers",
		one(4, 4, `[[0,0,9e9,0,1,1]]`):                  "has the coordinate 9e+09, far outside a picture of 4 x 4",
		one(4, 4, `[0,0,1,1,2,2]`):                      "is not a list of polygons",
		one(4, 4, `[]`):                                 "it has no segmentation",
		one(4, 4, `"x"`):                                "neither a list of polygons nor run lengths",
		one(4, 4, `{"size":[4,5],"counts":[16]}`):       "its run lengths are for size [4 5], its picture is [4 4]",
		one(4, 4, `{"size":[4,4],"counts":[10]}`):       "its run lengths cover 10 of the 16 pixels",
		one(4, 4, `{"size":[4,4],"counts":[10,9]}`):     "its run lengths go beyond the 16 pixels",
		one(4, 4, `{"size":[4,4],"counts":[20,-4]}`):    "its run lengths go beyond the 16 pixels",
		one(4, 4, `{"size":[4,4],"counts":[-1,17]}`):    "its run 1 has the length -1",
		one(4, 4, `{"size":[4,4],"counts":[1.5]}`):      "its counts are neither whole numbers nor a text",
		one(4, 4, `{"size":[4,4],"counts":"P"}`):        "end in the middle of a number",
		one(4, 4, `{"size":[4,4],"counts":"~"}`):        "have the character '~'",
		one(4, 4, `{"size":[4,4],"counts":"ooooooo0"}`): "a number of more than 6 digits",
		one(0, 4, `[]`):                                 "image 1 is 0 x 4 pixels",
		one(4, 99999, `[]`):                             "image 1 is 4 x 99999 pixels",
		`{"images":[{}]}`:                               "image 1 of the list has no id",
		`{"images":[{"id":1,"width":1,"height":1}]}`:    "image 1 has no file_name",
		`{"images":[{"id":1,"file_name":"a","width":1,"height":1},{"id":1,"file_name":"a","width":1,"height":1}]}`: "two images have the id 1",
		image + `"annotations":[{"id":3,"image_id":2}]}`:                                                           "annotation 3 is for image 2, which is not in the list",
		image + `"annotations":[{}]}`:                                                                              "annotation #1 is for image (no image_id)",
		image + `"categories":[{"id":1,"name":"x"}],"annotations":[{"id":3,"image_id":1,"category_id":5}]}`:        "annotation 3 of image 1: its category 5 is not in the list of categories",
		image + `"annotations":[{"id":3,"image_id":1,"iscrowd":2,"segmentation":[[0,0,1,0,1,1]]}]}`:                "iscrowd is 2: expected 0 or 1",
		`{"images":`: "unexpected end",
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected one with %q", text, err, want)
		}
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		one(1, 1, `[]`): true,
		`{"info":{"year":2026},"licenses":[],"images":[`: true,
		"{\n \"annotations\": []}":                       true,
		`{"image":"a.png","mask":"b.png"}`:               false,
		`{"images":"a.png"}`:                             false,
		`{"split":"x"}` + "\n" + `{"images":[]}`:         false,
		`[["a","b"]]`:                                    false,
		"image,mask\n":                                   false,
		"":                                               false,
	} {
		if got := Is([]byte(text)); got != want {
			t.Errorf("%q: %v, expected %v", text, got, want)
		}
	}
}

// Reading and drawing end without a panic for any file.
func FuzzRead(f *testing.F) {
	for _, g := range readGolden(f)[:8] {
		xy, _ := json.Marshal([][]float64{g.Polygon})
		f.Add([]byte(one(g.Width, g.Height, string(xy))))
		counts, _ := json.Marshal(g.Counts)
		f.Add([]byte(one(g.Width, g.Height, fmt.Sprintf(`{"size":[%d,%d],"counts":%s}`, g.Height, g.Width, counts))))
	}
	f.Add([]byte(one(3, 2, `{"size":[2,3],"counts":[1,2,3]}`)))
	f.Add([]byte(`{"images":[{"id":1,"file_name":"a","width":2,"height":2}],"categories":[{"id":1,"name":"x"}],` +
		`"annotations":[{"image_id":1,"category_id":1,"iscrowd":1,"segmentation":[[0,0,1,0,1,1]]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		Is(text)
		images, err := Read(text)
		if err != nil {
			return
		}
		for _, m := range images {
			if m.Width*m.Height > 1<<16 {
				continue // large masks take long, and nothing else
			}
			for _, v := range m.Mask(m.Annotations).Pix {
				if v != 0 && v != 255 {
					t.Fatalf("a pixel is %d", v)
				}
			}
		}
	})
}
