//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files"
)

// Weights that another user can cut off or replace are read into memory where mapping is a choice.
func TestMapIfPrivate(t *testing.T) {
	folder, model := addend(t, 16, 1)
	for _, c := range []struct {
		folder os.FileMode
		mapped bool
	}{{0o755, true}, {0o777, false}} {
		if err := os.Chmod(folder, c.folder); err != nil {
			t.Fatal(err)
		}
		s, err := open(t).Load(model, SessionOptions{ExternalFolder: folder, MapIfPrivate: true, Private: true})
		if err != nil {
			t.Fatal(err)
		}
		if mapped := s.mapped != nil; mapped != c.mapped {
			t.Errorf("mode %v: mapped %t, expected %t", c.folder, mapped, c.mapped)
		}
		s.Close()
	}
}

// In low memory, weights that another user can cut off or replace are refused.
func TestMappedWeightsArePrivate(t *testing.T) {
	folder, model := addend(t, 16, 1)
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files %q: %v", names, err)
	}
	low := SessionOptions{ExternalFolder: folder, LowMemory: true, Private: true}
	for _, c := range []struct {
		file, folder os.FileMode
		options      SessionOptions
		refused      bool
	}{
		{0o644, 0o755, low, false},
		{0o664, 0o775, low, false},
		{0o666, 0o755, low, true},
		{0o644, 0o777, low, true},
		{0o666, 0o755, SessionOptions{ExternalFolder: folder, Private: true}, false},
		{0o666, 0o755, SessionOptions{ExternalFolder: folder, LowMemory: true}, false},
	} {
		if err := errors.Join(os.Chmod(names[0], c.file), os.Chmod(folder, c.folder)); err != nil {
			t.Fatal(err)
		}
		s, err := open(t).Load(model, c.options)
		if errors.Is(err, files.ErrUntrusted) != c.refused || err == nil == c.refused {
			t.Errorf("modes %v and %v, %+v: error %v, refused should be %t", c.file, c.folder, c.options, err, c.refused)
		}
		if err == nil {
			s.Close()
		}
	}
}
