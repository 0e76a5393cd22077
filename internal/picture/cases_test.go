package picture

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// caseWarnings has, for files of testdata/cases that are decoded with a warning, what it says.
var caseWarnings = map[string]string{
	"other/anim.jxl":             "animated",
	"gif/frame_beyond.gif":       "grown to hold the first frame",
	"gif/no_palette.gif":         "grey ramp",
	"gif/screen_zero.gif":        "the screen has no size",
	"jpeg/mjpeg_nodht.jpg":       "no Huffman tables",
	"jpeg/noeoi_prog.jpg":        "not marked",
	"jpeg/rst_one_missing.jpg":   "restart marker 2 expected",
	"jpeg/rst_wrong_number.jpg":  "restart marker",
	"jpeg/stray_rst.jpg":         "a marker comes before the last block",
	"jpeg/trunc_half_eoi.jpg":    "a marker comes before the last block",
	"png/crc_exif.png":           "checksum",
	"png/crc_iccp.png":           "checksum",
	"png/crc_text.png":           "checksum",
	"png/no_iend.png":            "not marked",
	"png/too_much_data.png":      "more rows",
	"png/trns_rgba.png":          "transparency",
	"tiff/F_tiff_deflate.tif":    "scale from 0 to 1",
	"variants/float_deflate.tif": "scale from 0 to 1",
	"variants/float_tiles.tif":   "scale from 0 to 1",
	"variants/pages.tif":         "2 pages",
	"webp/anim.webp":             "animated",
}

// caseTolerance has the largest difference for files whose colours other programs convert in their
// own ways.
var caseTolerance = map[string]int{
	"tiff/lab_im.tif": 1, // littleCMS with tables
	"other/a.jxl":     1, // djxl rounds otherwise in its vector instructions
	"other/s420.jp2":  1, // OpenJPEG converts luma and chroma without rounding
	"other/ycc.jp2":   1,
	"other/a.avif":    1, // libheif rounds otherwise than libavif, which is used
	"other/crop.avif": 1,
	"other/mir0.avif": 1,
	"other/mir1.avif": 1,
	"other/rot.avif":  1,
	"other/ten.avif":  1,
}

// The files of testdata/cases were read wrongly or refused once, or are variants of such files. The
// PNG next to each has the pixels that Pillow 9.4 reads, or those of the plain picture where Pillow
// does not read the file or reads it wrongly.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if _, err := os.Stat(file + ".png"); err != nil {
			continue // an expectation, or refused
		}
		n++
		name := filepath.ToSlash(strings.TrimPrefix(file, filepath.Join("testdata", "cases")+string(filepath.Separator)))
		t.Run(name, func(t *testing.T) { checkCase(t, name, file) })
	}
	if n < 120 {
		t.Errorf("%d cases, want at least 120", n)
	}
}

func checkCase(t *testing.T, name, file string) {
	got, err := Open(file, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := readPNG(t, file+".png")
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%d x %d pixels, want %d x %d", got.Width, got.Height, want.Width, want.Height)
	}
	if most, mean := difference(got.Pix, want.Pix); most > caseTolerance[name] {
		t.Errorf("differs by at most %d, in the mean %.4f; want at most %d", most, mean, caseTolerance[name])
	}
	says := caseWarnings[name]
	if says == "" && len(got.Warnings) > 0 || says != "" && !slices.ContainsFunc(got.Warnings, func(w string) bool { return strings.Contains(w, says) }) {
		t.Errorf("warnings %q, want %q", got.Warnings, says)
	}
	gray, err := OpenGray(file, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if most, _ := difference(gray.Pix, want.ToGray().Pix); most > caseTolerance[name] {
		t.Errorf("OpenGray differs by %d", most)
	}
}

// What can't be read is refused with the reason.
func TestCasesRefused(t *testing.T) {
	for name, says := range map[string]string{
		"jpeg/lead_bom.jpg": "a JPEG picture begins at byte 3",
		"tiff/thumb.dng":    "camera raw",
	} {
		_, err := Open("testdata/cases/"+name, Limits{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
}

func TestCasesOrientation(t *testing.T) {
	for _, name := range []string{"jpeg/exif_MM_type4.jpg", "png/exif6_prefix.png", "png/exif6_rawprofile.png"} {
		p, err := Open("testdata/cases/"+name, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Orientation != 6 {
			t.Errorf("%s: orientation %d, want 6", name, p.Orientation)
		}
	}
}
