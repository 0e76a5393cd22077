package weights

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCheckUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	tensors := []Tensor{FromFloat32s("a", []int{2}, []float32{1, 2})}
	for name, change := range map[string]func() error{
		"replaced":    func() error { return Write(path, tensors, nil) },
		"truncated":   func() error { return os.Truncate(path, 10) },
		"removed":     func() error { return os.Remove(path) },
		"overwritten": func() error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) },
	} {
		if err := Write(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.CheckUnchanged(); err != nil {
			t.Errorf("%s: before: %v", name, err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := f.CheckUnchanged(); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got error %v, expected ErrChanged", name, err)
		}
		f.Close()
	}
	if f, err := OpenBytes("memory", mustMarshal(t, tensors)); err != nil || f.CheckUnchanged() != nil {
		t.Errorf("in memory: %v", err)
	}
}

func mustMarshal(t *testing.T, tensors []Tensor) []byte {
	t.Helper()
	data, err := Marshal(tensors, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
