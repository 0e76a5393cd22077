package weights

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Every flip of a bit is either a file that cannot be opened or ErrDamaged.
func TestSealNoticesEveryFlippedBit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	tensors := []Tensor{FromFloat32s("a", []int{3}, []float32{1, 2, 3}), FromFloat32s("b", []int{}, []float32{4})}
	if err := WriteSealed(path, tensors, map[string]string{"key": "value"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(data []byte) (open, seal error) {
		f, err := OpenBytes("w", data)
		if err != nil {
			return err, nil
		}
		return nil, f.CheckSeal(t.Context())
	}
	if open, seal := check(data); open != nil || seal != nil {
		t.Fatalf("as written: %v, %v", open, seal)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if open, seal := check(data); open == nil && !errors.Is(seal, ErrDamaged) {
				t.Errorf("bit %d of byte %d: got error %v, expected ErrDamaged", bit, i, seal)
			}
			data[i] ^= 1 << bit
		}
	}
	if open, seal := check(append(data, 0)); open == nil && !errors.Is(seal, ErrDamaged) {
		t.Errorf("a byte more: got error %v", seal)
	}
}

func TestNoSeal(t *testing.T) {
	f, err := OpenBytes("w", mustMarshal(t, []Tensor{FromFloat32s("a", []int{1}, []float32{1})}))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CheckSeal(t.Context()); !errors.Is(err, ErrNoSeal) {
		t.Errorf("got error %v, expected ErrNoSeal", err)
	}
	meta := Unsealed(map[string]string{sealKey: blank, sealedKey: sealed, "key": "value"})
	if len(meta) != 1 || meta["key"] != "value" {
		t.Errorf("got %v, expected only key", meta)
	}
}
