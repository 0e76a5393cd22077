package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
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
				t.Errorf("%s: the file contains %q, %v; expected %q", name, got, err, want)
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
			t.Errorf("%s: after a failure the file contains %q", name, got)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: %d files are left, expected 1", name, len(entries))
		}
		err = write(filepath.Join(dir, "nowhere", "b.txt"), text("x"))
		if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%s: error %v, expected one about the directory, without the temporary name", name, err)
		}
	}
}

func TestWriteBytes(t *testing.T) {
	for name, test := range map[string]struct {
		write func(string, []byte) error
		mode  os.FileMode
	}{
		"WriteBytes":        {WriteBytes, 0o644},
		"WriteBytesSynced":  {WriteBytesSynced, 0o644},
		"WriteBytesPrivate": {WriteBytesPrivate, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "a.txt")
		for _, want := range []string{"first", "second"} {
			if err := test.write(path, []byte(want)); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: the file contains %q, %v; expected %q", name, got, err, want)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != test.mode {
			t.Errorf("%s: the file has permissions %v, expected %v", name, got, test.mode)
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
			t.Errorf("check read %q, %v", got, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file was renamed before the check: %v", err)
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
		t.Errorf("the file contains %q, %v", got, err)
	}
}

// A name that the file system takes can be written, however long it is.
func TestWriteLongName(t *testing.T) {
	for _, name := range []string{strings.Repeat("a", 255), strings.Repeat("日", 85), strings.Repeat("x", 240) + ".txt"} {
		path := filepath.Join(t.TempDir(), name)
		if err := WriteBytes(path, []byte("text")); err != nil {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "text" {
			t.Errorf("a name of %d bytes: the file contains %q, %v", len(name), got, err)
		}
	}
}
