//go:build !windows

package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plant makes a file in a new directory.
func plant(t *testing.T, dirMode, fileMode os.FileMode) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lib")
	file = filepath.Join(dir, "lib.so")
	writeText(t, file, "planted")
	if err := os.Chmod(file, fileMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func TestTrust(t *testing.T) {
	me := CurrentUser()
	stranger := me + 4242
	check := func(name, path string, uid uint32, offender string) {
		t.Helper()
		err := CheckTrusted(path, uid)
		if offender == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if offender != "" && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), offender)) {
			t.Errorf("%s: got error %v, expected ErrUntrusted that names %s", name, err, offender)
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
	writeText(t, below, "")
	check("below a sticky directory", below, me, "")
	if me == 0 { // only root can give a file away
		owned := filepath.Join(filepath.Dir(good), "foreign.so")
		writeText(t, owned, "")
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
	if err := CheckTrusted(link(good, "good.so"), CurrentUser()); err != nil {
		t.Errorf("link to an own file: %v", err)
	}
	for name, path := range map[string]string{
		"file":      link(planted, "bad.so"),
		"directory": filepath.Join(link(dir, "lib"), filepath.Base(planted)),
		"twice":     link(link(planted, "a.so"), "b.so"),
	} {
		if err := CheckTrusted(path, CurrentUser()); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got error %v, expected ErrUntrusted that names %s", name, err, dir)
		}
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if err := CheckTrusted(loop, CurrentUser()); err == nil {
		t.Error("a link to itself is accepted")
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
