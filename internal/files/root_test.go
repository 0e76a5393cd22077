package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func openRoot(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// Files are written below the root only, with the directories that they need.
func TestWriteIn(t *testing.T) {
	root, dir := openRoot(t)
	long := strings.Repeat("x", 255)
	for _, name := range []string{"a", "b/c/d", "b/c/e", "a", long} {
		if err := WriteIn(root, name, contents([]byte(name))); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != name {
			t.Fatalf("%s: got %q, %v", name, data, err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "out/x"} {
		if err := WriteIn(root, name, contents(nil)); err == nil {
			t.Errorf("%s was written outside the root", name)
		}
	}
	broken := errors.New("broken")
	if err := WriteIn(root, "a", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v, expected %v", err, broken)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(data) != "a" {
		t.Fatalf("got %q, %v, expected the old file", data, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("got %v, %v, expected a, b, out and the long name", entries, err)
	}
}

// Of several writers, one creates a file.
func TestCreateIn(t *testing.T) {
	root, dir := openRoot(t)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() { errs[i] = CreateIn(root, "new/file", contents([]byte{byte(i)})) })
	}
	all.Wait()
	created := -1
	for i, err := range errs {
		switch {
		case err == nil && created < 0:
			created = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("writer %d: got %v, expected that the file exists", i, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "new", "file")); err != nil || created < 0 || string(data) != string([]byte{byte(created)}) {
		t.Fatalf("got %q, %v, expected the file of writer %d", data, err, created)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "new")); err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v, expected one file", entries, err)
	}
}

// Writers and removers of one directory do not block each other.
func TestRemoveIn(t *testing.T) {
	root, dir := openRoot(t)
	var all sync.WaitGroup
	for _, name := range []string{"d/e/1", "d/e/2", "d/e/3"} {
		all.Go(func() {
			for range 30 {
				if err := WriteIn(root, name, contents(nil)); err != nil {
					t.Error(err)
				}
				if err := RemoveIn(root, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := RemoveIn(root, "d/e/1"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, expected that there is no file", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Fatalf("left: %v, %v", entries, err)
	}
}

func TestIsTemporary(t *testing.T) {
	for name, want := range map[string]bool{
		".a.123.tmp": true, ".a.b.0.tmp": true, "a.123.tmp": false, ".a.tmp": false, ".123.tmp": false, ".a.x.tmp": false, ".a.1.tmp.gz": false,
		".tmp": false, "": false,
	} {
		if got := IsTemporary(name); got != want {
			t.Errorf("%q: got %v, expected %v", name, got, want)
		}
	}
}
