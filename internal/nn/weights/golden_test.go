package weights

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenFile is the description by tools/golden/weights.py or weights_field.py of a file that
// PyTorch wrote.
type goldenFile struct {
	Format   string            `json:"format"`
	Metadata map[string]string `json:"metadata"`
	Tensors  map[string]struct {
		DType    DType  `json:"dtype"`
		Shape    []int  `json:"shape"`
		RowMajor bool   `json:"row_major"`
		Data     []byte `json:"data"`
	} `json:"tensors"`
}

func goldenFiles(t testing.TB) map[string]goldenFile {
	t.Helper()
	var files map[string]goldenFile
	for _, name := range []string{"golden.json", "field.json"} {
		// Unmarshal adds to the map.
		if err := json.Unmarshal(readTestdata(t, name), &files); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden compares files written by PyTorch with their description, opened by path and in
// memory.
func TestGolden(t *testing.T) {
	for name, want := range goldenFiles(t) {
		data := readTestdata(t, name)
		onDisk, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer onDisk.Close()
		inMemory, err := OpenBytes(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []*File{onDisk, inMemory} {
			if f.Format() != want.Format {
				t.Errorf("%s: format %q, expected %q", f.Path(), f.Format(), want.Format)
			}
			if diff := cmp.Diff(want.Metadata, f.Metadata()); diff != "" {
				t.Errorf("%s: metadata (-want +got)\n%s", f.Path(), diff)
			}
			compareTensors(t, f, data, want)
		}
	}
}

func compareTensors(t *testing.T, f *File, data []byte, want goldenFile) {
	t.Helper()
	for _, name := range f.Names() {
		if _, ok := want.Tensors[name]; !ok {
			t.Errorf("%s: unexpected tensor %q", f.Path(), name)
		}
	}
	for name, w := range want.Tensors {
		got, ok := f.Tensor(name)
		if !ok {
			t.Errorf("%s: no tensor %q", f.Path(), name)
			continue
		}
		if got.DType != w.DType || !slices.Equal(got.Shape, w.Shape) || (got.Strides == nil) != w.RowMajor || got.Length != int64(len(w.Data)) {
			t.Errorf("%s: %q is %+v, expected %s of shape %v, row-major %v", f.Path(), name, got, w.DType, w.Shape, w.RowMajor)
		}
		contents, err := f.Bytes(name)
		if err != nil || !bytes.Equal(contents, w.Data) {
			t.Errorf("%s: %q holds %x, %v; expected %x", f.Path(), name, contents, err, w.Data)
		}
		if w.RowMajor && !bytes.Equal(data[got.Offset:got.Offset+got.Length], w.Data) {
			t.Errorf("%s: the contents of %q are not at its offset", f.Path(), name)
		}
		convert := floatReader(w.DType)
		if convert == nil {
			continue
		}
		values := make([]float32, got.Count())
		convert(values, w.Data)
		floats, err := f.Float32s(name)
		if err != nil || !slices.Equal(floats, values) {
			t.Errorf("%s: Float32s of %q is %v, %v; expected %v", f.Path(), name, floats, err, values)
		}
	}
}

// TestGoldenTypes checks that the golden files cover the cases that they are for.
func TestGoldenTypes(t *testing.T) {
	types, strided := map[DType]int{}, 0
	for _, file := range goldenFiles(t) {
		for _, tensor := range file.Tensors {
			types[tensor.DType]++
			if !tensor.RowMajor {
				strided++
			}
		}
	}
	for name, dtype := range storageTypes {
		if types[dtype] == 0 {
			t.Errorf("no golden tensor of %s", name)
		}
	}
	if strided < 18 {
		t.Errorf("%d golden tensors are not row-major", strided)
	}
}

// TestSharedStorage: views of one storage have the right offsets in it.
func TestSharedStorage(t *testing.T) {
	f, err := Open("testdata/views.pth")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, _ := f.Tensor("base")
	for name, first := range map[string]int64{"rows": 20, "column": 2, "one": 59, "transposed": 0} {
		if got, _ := f.Tensor(name); got.Offset != base.Offset+4*first {
			t.Errorf("%s lies at byte %d, expected %d", name, got.Offset, base.Offset+4*first)
		}
	}
	if got, _ := f.Tensor("every_other"); !slices.Equal(got.Strides, []int{40, 10, 3}) {
		t.Errorf("strides %v, expected 40, 10, 3", got.Strides)
	}
}

// TestCutFiles: a file of any format that is truncated, at every hundredth of its length or by one
// byte, gives an error that names the file.
func TestCutFiles(t *testing.T) {
	safetensors, err := Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"sample.safetensors": safetensors}
	for name := range goldenFiles(t) {
		files[name] = readTestdata(t, name)
	}
	path := filepath.Join(t.TempDir(), "cut")
	for name, data := range files {
		for part := range 101 {
			n := min(len(data)*part/100, len(data)-1)
			if f, err := OpenBytes(name, data[:n]); err == nil {
				t.Errorf("%s, %d of %d bytes: opened with tensors %q", name, n, len(data), f.Names())
			} else if !strings.HasPrefix(err.Error(), name+": "+ErrFormat.Error()) {
				t.Errorf("%s, %d of %d bytes: %v", name, n, len(data), err)
			}
			if part%10 != 0 {
				continue
			}
			if err := os.WriteFile(path, data[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := Open(path); err == nil {
				f.Close()
				t.Errorf("%s, %d of %d bytes: opened by path", name, n, len(data))
			}
		}
	}
}

// TestChangedBytes: changing any byte of a file causes no panic when it is opened and read.
func TestChangedBytes(t *testing.T) {
	for _, name := range []string{"views.pth", "views.legacy.pth", "nested.pth", "nested.legacy.pth"} {
		data := readTestdata(t, name)
		for i, old := range data {
			for _, b := range []byte{0xff, old ^ 0x80, old + 1} {
				data[i] = b
				if f, err := OpenBytes(name, data); err == nil {
					readAll(t, f)
				}
			}
			data[i] = old
		}
	}
}

// readAll reads every tensor, which must succeed for a file that opened and is in memory.
func readAll(t *testing.T, f *File) {
	t.Helper()
	for _, tensor := range f.Tensors() {
		contents, err := f.Bytes(tensor.Name)
		if err != nil || int64(len(contents)) != tensor.Length {
			t.Fatalf("%s: %q: %d bytes, %v; expected %d", f.Path(), tensor.Name, len(contents), err, tensor.Length)
		}
	}
}
