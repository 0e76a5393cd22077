package dataset

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

func inUTF16(text string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// The same two pictures, as programs write them.
func TestListSpellings(t *testing.T) {
	dir := t.TempDir()
	draw(t, 255, 8, 8, dir, "in", "a.png")
	draw(t, 255, 8, 8, dir, "in", "a,1_mask.png")
	draw(t, 255, 8, 8, dir, "in", "b.png")
	csv := "image,mask,label\r\nin/a.png,\"in/a,1_mask.png\",1.0\r\nin/b.png,,0.0\r\n"
	for name, text := range map[string]string{
		"plain.csv":     csv,
		"mark.csv":      "\xef\xbb\xbf" + csv,
		"cr.csv":        strings.ReplaceAll(csv, "\r\n", "\r"),
		"utf16.csv":     inUTF16(csv, binary.LittleEndian, true),
		"big16.csv":     inUTF16(csv, binary.BigEndian, true),
		"bare16.csv":    inUTF16(csv, binary.LittleEndian, false),
		"big_bare.csv":  inUTF16(csv, binary.BigEndian, false),
		"windows.csv":   strings.ReplaceAll(csv, "/", `\`),
		"gaps.csv":      "image,mask,label\nin/a.png,\"in/a,1_mask.png\",NaN\nin/b.png,,0\n",
		"semicolon.csv": "image;mask;label\nin/a.png;in/a,1_mask.png;1\nin/b.png;;0\n",
		"mark.jsonl":    "\xef\xbb\xbf" + `{"image":"in/a.png","mask":"in/a,1_mask.png"}` + "\r\n" + `{"image":"in/b.png","label":0.0}` + "\r\n",
		"imdl.json":     `[["in/a.png", "in/a,1_mask.png"],` + "\n" + `["in/b.png", "Negative"]]`,
	} {
		s, err := Open(context.Background(), write(t, text, dir, name), Options{Notice: func(text string) { t.Errorf("%s: %s", name, text) }})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Len() != 2 || s.Name(0) != "a.png" || filepath.Base(s.Item(0).Mask) != "a,1_mask.png" || s.Item(1).Label != Untouched || s.Item(1).Mask != "" {
			t.Errorf("%s: %+v, %+v", name, s.Item(0), s.Item(s.Len()-1))
		}
	}
}

// Columns and keys that are not used are named. A misspelt one is refused.
func TestListColumns(t *testing.T) {
	dir := t.TempDir()
	draw(t, 255, 8, 8, dir, "a.png")
	for name, c := range map[string]struct{ text, notice, problem string }{
		"extra.csv":    {text: "image,mask,width\na.png,a.png,8\n", notice: `extra.csv: not used: "width" (known are image, mask, label, method, split, set, polarity)`},
		"extra.jsonl":  {text: `{"image":"a.png","mask":"a.png","Width":8}` + "\n" + `{"image":"a.png","mask":"a.png","note":""}`, notice: `not used: "width", "note"`},
		"masks.csv":    {text: "image,masks,label\na.png,a.png,1\n", problem: `column "masks" is unknown: did you mean "mask"?`},
		"path.csv":     {text: "image_path,mask_path\na.png,a.png\n", problem: `column "image_path" is unknown: did you mean "image"?`},
		"labels.jsonl": {text: `{"image":"a.png","mask":"a.png","labels":1}`, problem: `line 1: column "labels" is unknown`},
		"triple.json":  {text: `[["a.png","a.png","1"]]`, problem: "entry 1 of the array: expected"},
		"number.json":  {text: `[1]`, problem: "entry 1 of the array: expected"},
	} {
		var notices []string
		_, err := Open(context.Background(), write(t, c.text, dir, name), Options{Notice: func(text string) { notices = append(notices, text) }})
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: error %v, expected one with %q", name, err, c.problem)
			}
			continue
		}
		if got := strings.Join(notices, "; "); err != nil || !strings.Contains(got, c.notice) {
			t.Errorf("%s: notices %q, error %v; expected %q", name, got, err, c.notice)
		}
	}
}
