package study

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Temporary files of a killed study are removed at the next start, and only one process works in a
// directory.
func TestOccupy(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	litter := []string{"cells/.a--b-0123.json.77.tmp", "pictures/.0123.png.5.tmp"}
	kept := []string{"cells/a--b-0123.json", "pictures/0123.png", "notes/.mine.tmp"}
	for _, name := range append(litter, kept...) {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := &Plan{File: File{Out: out}}
	release, err := p.occupy()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range litter {
		if exists(filepath.Join(out, name)) {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range kept {
		if !exists(filepath.Join(out, name)) {
			t.Errorf("%s is gone", name)
		}
	}
	if _, err := p.occupy(); err == nil || !strings.Contains(err.Error(), "another process is running a study") {
		t.Errorf("a second study in the folder: got %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if release, err = p.occupy(); err != nil {
		t.Fatal(err)
	}
	release()
}
