//go:build !windows

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func TestTrust(t *testing.T) {
	me := currentUser()
	stranger := me + 4242
	check := func(name, path string, uid uint32, offender string) {
		t.Helper()
		err := checkTrusted(path, uid)
		if offender == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if offender != "" && (!errors.Is(err, errUntrusted) || !strings.Contains(err.Error(), offender)) {
			t.Errorf("%s: got error %v, expected errUntrusted that names %s", name, err, offender)
		}
	}
	_, good := plant(t, 0o755, 0o644)
	check("own file", good, me, "")
	_, group := plant(t, 0o775, 0o664)
	check("group-writable", group, me, "")
	_, file := plant(t, 0o755, 0o666)
	check("world-writable file", file, me, "everyone can write to "+file)
	dir, file := plant(t, 0o777, 0o644)
	check("world-writable directory", file, me, "everyone can write to "+dir)
	dir, file = plant(t, 0o777|os.ModeSticky, 0o644)
	check("library directly in a sticky directory", file, me, dir)
	below := filepath.Join(dir, "below", "lib.so")
	write(t, below, "")
	check("below a sticky directory", below, me, "")
	if me == 0 { // only root can give a file away
		owned := filepath.Join(filepath.Dir(good), "foreign.so")
		write(t, owned, "")
		if err := os.Chown(owned, int(stranger), -1); err != nil {
			t.Fatal(err)
		}
		check("file of another user", owned, me, "belongs to user")
		check("own file below a directory of root", owned, stranger, "")
	} else {
		check("directory of another user", good, stranger, "belongs to user")
	}
}

// A link is as trusted as what it leads to and every directory on the way.
func TestTrustFollowsLinks(t *testing.T) {
	_, good := plant(t, 0o755, 0o644)
	dir, planted := plant(t, 0o777, 0o644)
	link := func(target, name string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := checkTrusted(link(good, "good.so"), currentUser()); err != nil {
		t.Errorf("link to an own file: %v", err)
	}
	for name, path := range map[string]string{
		"file":      link(planted, "bad.so"),
		"directory": filepath.Join(link(dir, "lib"), filepath.Base(planted)),
		"twice":     link(link(planted, "a.so"), "b.so"),
	} {
		if err := checkTrusted(path, currentUser()); !errors.Is(err, errUntrusted) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got error %v, expected errUntrusted that names %s", name, err, dir)
		}
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if err := checkTrusted(loop, currentUser()); err == nil {
		t.Error("a link to itself is accepted")
	}
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
	if currentUser() != 0 {
		return
	}
	if err := os.Chown(root, 4242, -1); err != nil { // only root can give a directory away
		t.Fatal(err)
	}
	if got, ok := checkout(filepath.Join(root, "bin")); ok {
		t.Errorf("the checkout of another user is searched: %s", got)
	}
}
