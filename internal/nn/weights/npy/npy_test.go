package npy

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrays are the arrays that numpy.save wrote into testdata (NumPy 1.24).
var arrays = []struct {
	file  string
	shape []int
	data  []float32
}{
	{"2x3.npy", []int{2, 3}, []float32{1, -2.5, 3e38, 0, 1e-45, float32(math.Inf(1))}},
	{"1.npy", []int{1}, []float32{7}},
	{"scalar.npy", []int{}, []float32{0.25}},
	{"0x4.npy", []int{0, 4}, []float32{}},
}

// TestAsNumPy: files are byte for byte NumPy's, and read back unchanged.
func TestAsNumPy(t *testing.T) {
	dir := t.TempDir()
	for _, a := range arrays {
		path := filepath.Join(dir, a.file)
		if err := Write(path, a.shape, a.data); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", a.file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: wrote\n%q\nwant\n%q", a.file, got, want)
		}
		shape, data, err := Read(filepath.Join("testdata", a.file))
		if err != nil || !cmp.Equal(shape, a.shape) || !cmp.Equal(data, a.data) {
			t.Errorf("%s: read %v %v, %v", a.file, shape, data, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != len(arrays) {
		t.Errorf("%d files, want %d: a temporary one was left", len(left), len(arrays))
	}
}

func TestLargerThanBuffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	want := make([]float32, 300*211)
	for i := range want {
		want[i] = float32(i)
	}
	if err := Write(path, []int{1, 300, 211}, want); err != nil {
		t.Fatal(err)
	}
	shape, got, err := Read(path)
	if err != nil || !cmp.Equal(shape, []int{1, 300, 211}) || !cmp.Equal(got, want) {
		t.Errorf("read back shape %v, %v", shape, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		path  string
		shape []int
		n     int
		want  string
	}{
		{"a.npy", []int{2, 3}, 5, "5 values, expected 6"},
		{"a.npy", []int{-1, -5}, 5, "impossible"},
		{"a.npy", []int{1 << 32, 1 << 32}, 0, "impossible"},
		{"none/a.npy", []int{1}, 1, "none/a.npy"},
	} {
		err := Write(filepath.Join(dir, c.path), c.shape, make([]float32, c.n))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("shape %v of %d: %v, want %q", c.shape, c.n, err, c.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("refused writes left %v", left)
	}
}

func TestReadRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/2x3.npy")
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Replace(good, []byte("(2, 3), }             "), []byte("(99999999999, 999999)}"), 1)
	cases := map[string][]byte{
		"empty": nil, "magic only": good[:8], "cut header": good[:50], "cut values": good[:len(good)-1],
		"more values": append(bytes.Clone(good), 0), "version 2": bytes.Replace(good, []byte("\x01\x00"), []byte("\x02\x00"), 1),
		"huge": huge,
	}
	for _, other := range []string{"float64.npy", "fortran.npy"} {
		if cases[other], err = os.ReadFile(filepath.Join("testdata", other)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "bad.npy")
	for name, data := range cases {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(path); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "bad.npy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHalfAsNumPy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "half.npy")
	// 1, -2.5, the largest and the smallest.
	if err := WriteHalf(path, []int{2, 2}, []uint16{0x3c00, 0xc100, 0x7bff, 0x0001}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "half_2x2.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("wrote\n%q\nwant\n%q", got, want)
	}
	if err := WriteHalf(path, []int{3}, []uint16{0}); err == nil || !strings.Contains(err.Error(), "1 values, expected 3") {
		t.Errorf("error %v, expected one about the number of values", err)
	}
	if _, _, err := Read(path); !errors.Is(err, ErrFormat) {
		t.Errorf("read as float32: error %v, expected ErrFormat", err)
	}
}
