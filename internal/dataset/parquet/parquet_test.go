package parquet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

type file struct {
	Bytes []byte  `parquet:"bytes,optional"`
	Path  *string `parquet:"path,optional"`
}

// row is as Hugging Face's datasets library writes pictures.
type row struct {
	Key   *string `parquet:"key,optional"`
	Image *file   `parquet:"image,optional"`
	Mask  *file   `parquet:"mask,optional"`
	Label *int64  `parquet:"label,optional"`
}

func text(s string) *string { return &s }
func number(n int64) *int64 { return &n }

// encode writes rows, in groups of two.
func encode[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, append(options, parquet.MaxRowsPerRowGroup(2))...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func save(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rows() []row {
	return []row{
		{text("partial/sd15/fake/1.png"), &file{Bytes: []byte("image 1")}, &file{Bytes: []byte("mask 1")}, number(1)},
		{text("real/2.png"), &file{Bytes: []byte("image 2")}, nil, number(0)},
		{nil, &file{Bytes: []byte("image 3")}, &file{Bytes: []byte("mask 3")}, nil},
	}
}

func TestRead(t *testing.T) {
	for name, options := range map[string][]parquet.WriterOption{
		"plain": nil, "snappy": {parquet.Compression(&parquet.Snappy)}, "zstd": {parquet.Compression(&parquet.Zstd)}, "old pages": {parquet.DataPageVersion(1)},
	} {
		f, err := Open(save(t, encode(t, rows(), options...)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		list, err := f.Rows()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []Row{{"partial/sd15/fake/1.png", 1, true}, {"real/2.png", 0, true}, {"row 3", 0, false}}
		for i := range want {
			if list[i] != want[i] {
				t.Errorf("%s: row %d is %+v, expected %+v", name, i, list[i], want[i])
			}
		}
		for i, wanted := range []string{"image 1", "image 2", "image 3"} {
			if data, err := f.Image(i); err != nil || string(data) != wanted {
				t.Errorf("%s: image %d is %q, %v", name, i, data, err)
			}
		}
		if data, err := f.Mask(2); err != nil || string(data) != "mask 3" {
			t.Errorf("%s: mask 2 is %q, %v", name, data, err)
		}
		if _, err := f.Mask(1); err == nil || !strings.Contains(err.Error(), "mask.bytes is empty") {
			t.Errorf("%s: a missing mask: %v", name, err)
		}
		if _, err := f.Image(3); err == nil || !f.HasMasks() {
			t.Errorf("%s: beyond the last row: %v, masks %v", name, err, f.HasMasks())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	whole := encode(t, rows())
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"lz4":         {encode(t, rows(), parquet.Compression(&parquet.Lz4Raw)), "is compressed with LZ4_RAW, which is not read"},
		"not parquet": {[]byte("image,mask\n"), "x.parquet: "},
		"cut off":     {whole[:len(whole)/2], "x.parquet: "},
		"no image":    {encode(t, []struct{ A int64 }{{1}}), `no column image.bytes: its columns are ["A"]`},
		"image a list": {encode(t, []struct {
			Image []file `parquet:"image"`
		}{{}}), "column image.bytes is a list"},
		"label a text": {encode(t, []struct {
			Image file   `parquet:"image"`
			Label string `parquet:"label"`
		}{{}}), "column label is of type BYTE_ARRAY: expected INT64"},
	} {
		if _, err := Open(save(t, c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.parquet")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}

// A file with a byte changed is read or refused; nothing panics.
func TestDamaged(t *testing.T) {
	whole := encode(t, rows())
	read, tried := 0, 0
	for i := 0; i < len(whole); i += 11 {
		tried++
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x41
		if readAll(damaged) == nil {
			read++
		}
	}
	if read == 0 || read == tried {
		t.Errorf("%d of %d damaged files were read", read, tried)
	}
}

// readAll reads all there is in a file.
func readAll(data []byte) error {
	f, err := open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	list, err := f.Rows()
	if err != nil {
		return err
	}
	for i := range list {
		if _, err := f.Image(i); err != nil {
			return err
		}
		_, _ = f.Mask(i) // a row need not have one
	}
	return nil
}

// Reading ends without a panic for any file.
func FuzzRows(f *testing.F) {
	f.Add(encode(f, rows()))
	f.Add(encode(f, rows(), parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1)))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = readAll(data) })
}
