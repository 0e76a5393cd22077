package files_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/files/powerloss"
)

// A power failure at any time leaves the old file or the whole new one. After WriteSynced it is the
// new one.
func TestWriteSurvivesPowerLoss(t *testing.T) {
	fill := func(w io.Writer) error {
		for _, part := range []string{"new ", "contents ", "of the file"} {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	}
	for name, test := range map[string]struct {
		write   func(path string) error
		durable bool
	}{
		"Write":             {func(path string) error { return files.Write(path, fill) }, false},
		"WriteBytes":        {func(path string) error { return files.WriteBytes(path, []byte("new contents of the file")) }, false},
		"WriteBytesPrivate": {func(path string) error { return files.WriteBytesPrivate(path, []byte("new contents of the file")) }, false},
		"WriteSynced":       {func(path string) error { return files.WriteSynced(path, fill) }, true},
		"WriteBytesSynced":  {func(path string) error { return files.WriteBytesSynced(path, []byte("new contents of the file")) }, true},
		"WriteChecked":      {func(path string) error { return files.WriteChecked(path, fill, func(string) error { return nil }) }, true},
	} {
		for _, old := range []string{"", "old"} {
			dir := t.TempDir()
			if old != "" {
				if err := os.WriteFile(filepath.Join(dir, "a"), []byte(old), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r := powerloss.Record(t, dir)
			if err := test.write(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			r.Stop()
			found := map[string]int{}
			r.Replay(func(t testing.TB, s powerloss.State) {
				data, err := os.ReadFile(filepath.Join(s.Dir, "a"))
				if err != nil && (old != "" || !errors.Is(err, os.ErrNotExist)) {
					t.Errorf("%s: %v", name, err)
				}
				found[string(data)]++
				if got := string(data); got != old && got != "new contents of the file" || s.Finished && test.durable && got == old {
					t.Errorf("%s: the file has %q", name, data)
				}
			})
			if len(found) != 2 {
				t.Errorf("%s: found %v, expected the old file and the new one", name, found)
			}
		}
	}
}

// Everything that changes a File is observed.
func TestFileIsObserved(t *testing.T) {
	dir := t.TempDir()
	r := powerloss.Record(t, dir)
	for _, flags := range []int{os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_TRUNC} {
		f, err := files.OpenFile(filepath.Join(dir, "a"), flags, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func() error{
			func() error { _, err := f.Write([]byte("abc")); return err },
			func() error { _, err := f.WriteString("def"); return err },
			func() error { _, err := f.ReadFrom(io.LimitReader(zeros{}, 5)); return err },
			func() error { return f.Truncate(9) },
			func() error {
				if flags&os.O_APPEND != 0 {
					return nil // is refused
				}
				_, err := f.WriteAt([]byte("xyz"), 20)
				return err
			},
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	r.Stop() // compares the recording with the file
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The same below a root, for files that are replaced and for those that must not exist.
func TestRootSurvivesPowerLoss(t *testing.T) {
	fill := func(w io.Writer) error {
		_, err := io.WriteString(w, "new contents of the file")
		return err
	}
	for _, old := range []string{"", "old"} {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		write := files.CreateIn
		if old != "" {
			write = files.WriteIn
			if err := root.WriteFile("a", []byte(old), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := powerloss.Record(t, dir)
		if err := write(root, "a", fill); err != nil {
			t.Fatal(err)
		}
		r.Stop()
		found := map[string]int{}
		r.Replay(func(t testing.TB, s powerloss.State) {
			data, err := os.ReadFile(filepath.Join(s.Dir, "a"))
			if err != nil && (old != "" || !errors.Is(err, os.ErrNotExist)) {
				t.Error(err)
			}
			found[string(data)]++
			if got := string(data); got != "new contents of the file" && (got != old || s.Finished) {
				t.Errorf("before %q, the file has %q, finished %v", old, data, s.Finished)
			}
		})
		if len(found) != 2 {
			t.Errorf("before %q, found %v, expected the old state and the new one", old, found)
		}
	}
}
