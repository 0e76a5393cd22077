//go:build !windows

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/files"
)

// plant makes a file with the name of a library in a new directory.
func plant(t *testing.T, dirMode, fileMode os.FileMode) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lib")
	file = filepath.Join(dir, strings.ReplaceAll(libraryNames()[0], "*", "1"))
	write(t, file, "planted")
	if err := os.Chmod(file, fileMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// A library that others could have planted is not opened: the search continues and reports it.
func TestSearchRefusesPlantedLibrary(t *testing.T) {
	lib := open(t).library
	dir, file := plant(t, 0o777, 0o644)
	_, err := search([]place{{folder: dir, source: "planted"}})
	wantWaysToGetIt(t, err)
	if !strings.Contains(err.Error(), file+" is refused: is not trusted: everyone can write to "+dir) {
		t.Errorf("the error does not name the refused file and the reason: %v", err)
	}
	found, err := search([]place{{folder: dir, source: "planted"}, {folder: filepath.Dir(lib.path), source: "good"}})
	if err != nil || found.source != "good" || len(found.refused) != 1 || !strings.Contains(found.refused[0], file) {
		t.Errorf("got %+v, %v, expected the second library and the first among the refused", found, err)
	}
}

// The cache of a checkout is searched only above the program's own directory.
func TestCheckout(t *testing.T) {
	root := t.TempDir()
	if got, ok := checkout(filepath.Join(root, "bin")); ok {
		t.Errorf("a directory without go.mod is taken for a checkout: %s", got)
	}
	write(t, filepath.Join(root, "go.mod"), "module github.com/declip/declip\n")
	if got, ok := checkout(filepath.Join(root, "bin")); !ok || got != root {
		t.Errorf("got %q, %v, expected %s", got, ok, root)
	}
	if files.CurrentUser() != 0 {
		return
	}
	if err := os.Chown(root, 4242, -1); err != nil { // only root can give a directory away
		t.Fatal(err)
	}
	if got, ok := checkout(filepath.Join(root, "bin")); ok {
		t.Errorf("the checkout of another user is searched: %s", got)
	}
}
