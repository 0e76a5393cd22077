package dataset

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	parquetgo "github.com/parquet-go/parquet-go"
)

type parquetFile struct {
	Bytes []byte `parquet:"bytes,optional"`
}

type parquetRow struct {
	Key   string       `parquet:"key"`
	Image *parquetFile `parquet:"image,optional"`
	Mask  *parquetFile `parquet:"mask,optional"`
	Label int64        `parquet:"label"`
}

// bytesOf is a picture as draw writes it.
func bytesOf(t *testing.T, level uint8, w, h int) *parquetFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.png")
	draw(t, level, w, h, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &parquetFile{data}
}

func writeParquet(t *testing.T, rows []parquetRow, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := parquetgo.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// OpenSDID's files: the part before the number is a generator, and the label tells real pictures.
func TestParquet(t *testing.T) {
	dir := t.TempDir()
	photo := bytesOf(t, 9, 8, 8)
	rows := []parquetRow{
		{"partial/sd15/fake/1.png", photo, bytesOf(t, 0, 8, 8), 1},
		{"real/2.png", photo, nil, 0},
		{"entire/sd15/fake/3.png", photo, bytesOf(t, 255, 8, 8), 1},
	}
	writeParquet(t, rows, dir, "data", "sd15-00000-of-00002.parquet")
	writeParquet(t, rows[:1], dir, "data", "flux-00000-of-00001.parquet")
	var notices []string
	s, err := Open(context.Background(), dir, Options{Sets: []string{All}, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	want := "1.png||flux|flux partial|16 1.png||sd15|sd15 partial|16 2.png||real||0 3.png||sd15|sd15 entire|48"
	if got := describe(t, s); got != want || s.Layout() != LayoutParquet {
		t.Errorf("%s %q, expected %q", s.Layout(), got, want)
	}
	if said := strings.Join(notices, "; "); !strings.Contains(said, "read as Parquet files: 3 manipulated, 1 untouched") {
		t.Errorf("notices %q", said)
	}
	if path, want := s.Path(0), filepath.Join(dir, "data", "flux-00000-of-00001.parquet")+"/partial/sd15/fake/1.png"; path != want {
		t.Errorf("path %q, expected %q", path, want)
	}
	one, err := Open(context.Background(), filepath.Join(dir, "data", "sd15-00000-of-00002.parquet"), Options{})
	if err != nil || one.Len() != 2 {
		t.Errorf("one file: %v, %v; expected 2 pictures", one, err)
	}
	before := contentsOf(t, dir)
	rows[0].Mask = bytesOf(t, 255, 8, 8)
	writeParquet(t, rows, dir, "data", "sd15-00000-of-00002.parquet")
	if contentsOf(t, dir) == before {
		t.Error("another mask is the same contents")
	}
}

func contentsOf(t *testing.T, name string) string {
	t.Helper()
	s, err := Open(context.Background(), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := Contents(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestParquetProblems(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "train-00000-of-00001.parquet")
	photo := bytesOf(t, 9, 8, 8)
	for name, c := range map[string]struct {
		row  parquetRow
		want string
	}{
		"no mask":       {parquetRow{"a.png", photo, nil, 1}, path + "/a.png (mask): mask.bytes is empty"},
		"no picture":    {parquetRow{"a.png", nil, bytesOf(t, 0, 8, 8), 1}, path + "/a.png: image.bytes is empty"},
		"another size":  {parquetRow{"a.png", photo, bytesOf(t, 0, 8, 9), 1}, path + "/a.png is 8x8, its mask " + path + "/a.png (mask) is 8x9"},
		"not a picture": {parquetRow{"a.png", &parquetFile{[]byte("hello")}, bytesOf(t, 0, 8, 8), 1}, path + "/a.png: not a picture"},
	} {
		writeParquet(t, []parquetRow{c.row}, path)
		s, err := Open(context.Background(), path, Options{Split: "train"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := s.Load(context.Background(), 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.want)
		}
	}
	write(t, "not parquet", dir, "x.parquet")
	if _, err := Open(context.Background(), filepath.Join(dir, "x.parquet"), Options{}); err == nil || !strings.Contains(err.Error(), "x.parquet: ") {
		t.Errorf("another file: %v", err)
	}
}
