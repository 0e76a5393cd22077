package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	for name, write := range map[string]func(string, func(io.Writer) error) error{"Write": Write, "WriteSynced": WriteSynced} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.txt")
		text := func(s string) func(io.Writer) error {
			return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
		}
		for _, want := range []string{"first", "second"} {
			if err := write(path, text(want)); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: the file holds %q, %v; expected %q", name, got, err, want)
			}
		}
		broken := errors.New("broken")
		err := write(path, func(w io.Writer) error {
			_, _ = io.WriteString(w, "half")
			return broken
		})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, expected one that names the file and wraps %v", name, err, broken)
		}
		if got, _ := os.ReadFile(path); string(got) != "second" {
			t.Errorf("%s: after a failure the file holds %q", name, got)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: %d files are left, expected 1", name, len(entries))
		}
		err = write(filepath.Join(dir, "nowhere", "b.txt"), text("x"))
		if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%s: error %v, expected one about the folder, without the temporary name", name, err)
		}
	}
}

func TestWriteChecked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	fill := func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }
	refused := errors.New("not what it should be")
	check := func(temporary string) error {
		if got, err := os.ReadFile(temporary); err != nil || string(got) != "text" {
			t.Errorf("the check sees %q, %v", got, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file has its name already: %v", err)
		}
		return refused
	}
	if err := WriteChecked(path, fill, check); err != refused {
		t.Errorf("error %v, expected the check's own", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%d files are left, expected none", len(entries))
	}
	if err := WriteChecked(path, fill, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "text" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}
