package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// addend writes a weights file of n float32 values and returns its directory and a model that adds
// them to its input.
func addend(t *testing.T, n int, value float32) (folder string, model []byte) {
	t.Helper()
	var raw []byte
	for range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(value))
	}
	folder = t.TempDir()
	write(t, filepath.Join(folder, "weights.bin"), string(raw))
	var m testModel
	m.input("x", Float32, n)
	m.output("y", Float32, n)
	m.external("w", []int{n}, "weights.bin", "offset", "0", "length", fmt.Sprint(4*n))
	m.node("Add", "y", "x", "w")
	return folder, m.bytes()
}

// attacks are what can happen to a weights file that is in use.
var attacks = map[string]func(t *testing.T, path string){
	"truncated": func(t *testing.T, path string) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	},
	"overwritten": func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, info.Size())); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	},
	"replaced": func(t *testing.T, path string) {
		write(t, path+".new", "something else")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	},
	"removed": func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	},
}

// Weights that are changed under a session neither kill the process nor change a result. In low
// memory, changed contents are an error of each run; files replaced by name are still open.
func TestWeightsChangedUnderASession(t *testing.T) {
	const n = 1 << 20 // far more than a page, so that pages of the file are missing
	for name, attack := range attacks {
		for _, low := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, low memory %v", name, low), func(t *testing.T) {
				folder, model := addend(t, n, 2)
				s := load(t, model, SessionOptions{ExternalFolder: folder, LowMemory: low})
				attack(t, filepath.Join(folder, "weights.bin"))
				x, err := NewZeros(Float32, []int{n})
				if err != nil {
					t.Fatal(err)
				}
				out, err := s.Run(t.Context(), map[string]*Tensor{"x": x}, nil)
				if low && (name == "truncated" || name == "overwritten") {
					if !errors.Is(err, ErrWeightsChanged) {
						t.Fatalf("got error %v, expected ErrWeightsChanged", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if y := out["y"].Float32s(); slices.Min(y) != 2 || slices.Max(y) != 2 {
					t.Errorf("results are between %g and %g, expected 2", slices.Min(y), slices.Max(y))
				}
			})
		}
	}
}

// A file that changes between the reading of its header and the end of loading is noticed.
func TestWeightsChangedDuringLoading(t *testing.T) {
	_, model := addend(t, 64, 2)
	list, err := externalInitializers(model)
	if err != nil || len(list) != 1 || list[0].length != 256 || !slices.Equal(list[0].shape, []int64{64}) {
		t.Fatalf("got %+v, %v", list, err)
	}
	for name, attack := range attacks {
		folder, _ := addend(t, 64, 2)
		files, err := openWeights(folder, list)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.checkPaths(); err != nil {
			t.Errorf("unchanged: %v", err)
		}
		attack(t, filepath.Join(folder, "weights.bin"))
		if err := files.checkPaths(); !errors.Is(err, ErrWeightsChanged) {
			t.Errorf("%s: got error %v, expected ErrWeightsChanged", name, err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Links must not lead out of the directory of the weights.
func TestWeightsOutsideTheFolder(t *testing.T) {
	folder, model := addend(t, 64, 2)
	inside := filepath.Join(t.TempDir(), "inside")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(folder, "weights.bin"), filepath.Join(inside, "weights.bin")); err != nil {
		t.Fatal(err)
	}
	for _, low := range []bool{false, true} {
		if _, err := open(t).Load(model, SessionOptions{ExternalFolder: inside, LowMemory: low}); err == nil {
			t.Errorf("low memory %v: a link out of the folder is followed", low)
		}
	}
}
