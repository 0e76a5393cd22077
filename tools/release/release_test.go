package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

func TestPackIsReproducible(t *testing.T) {
	when := time.Unix(1_700_000_000, 0).UTC()
	var archives [][]byte
	for i := range 2 {
		folder := filepath.Join(t.TempDir(), "name-1.0")
		write(t, filepath.Join(folder, "b", "run"), "program", 0o700)
		write(t, filepath.Join(folder, "a.txt"), "text", 0o600)
		moment := when.Add(time.Duration(i) * time.Hour) // differs from run to run
		if err := os.Chtimes(filepath.Join(folder, "a.txt"), moment, moment); err != nil {
			t.Fatal(err)
		}
		archive := filepath.Join(t.TempDir(), "x.tar.gz")
		sum, err := pack(folder, archive, when)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		if want := sha256.Sum256(data); !bytes.Equal(sum, want[:]) {
			t.Errorf("sum %x, the file has %x", sum, want)
		}
		archives = append(archives, data)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same files give two archives")
	}
	var got []string
	for _, h := range headers(t, archives[0]) {
		if !h.ModTime.Equal(when) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s: time %v, owner %d %q", h.Name, h.ModTime, h.Uid, h.Uname)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
	}
	want := []string{
		"drwxr-xr-x name-1.0/", "-rw-r--r-- name-1.0/a.txt", "drwxr-xr-x name-1.0/b/", "-rwxr-xr-x name-1.0/b/run",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestPackRefusesLinks(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	_, err := pack(folder, filepath.Join(t.TempDir(), "x.tar.gz"), time.Time{})
	if err == nil || !strings.Contains(err.Error(), "link is not a regular file") {
		t.Errorf("got error %v", err)
	}
}

// TestRecipe makes the archive of this platform, unpacks it elsewhere, and uses it as its user
// would: through a link, from another directory, with an environment that does not name the
// checkout.
func TestRecipe(t *testing.T) {
	root := enginetest.ModuleRoot(t)
	platform := runtime.GOOS + "-" + runtime.GOARCH
	if !slices.Contains([]string{"linux-amd64", "linux-arm64", "darwin-arm64"}, platform) {
		t.Logf("no archives are made for %s", platform)
		return
	}
	out := t.TempDir()
	recipe := exec.Command(filepath.Join(root, "scripts", "release.sh"), "-o", out, strings.Replace(platform, "-", "/", 1))
	recipe.Env = append(os.Environ(), "VERSION=v0.0.1-test", "SOURCE_DATE_EPOCH=1700000000")
	if text, err := recipe.CombinedOutput(); err != nil {
		t.Fatalf("the recipe failed: %v\n%s", err, text)
	}
	name := "declip-v0.0.1-test-" + platform
	archive, err := os.ReadFile(filepath.Join(out, name+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(archive)
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if want := hex.EncodeToString(sum[:]) + "  " + name + ".tar.gz\n"; err != nil || string(sums) != want {
		t.Errorf("SHA256SUMS is %q (%v), expected %q", sums, err, want)
	}
	installed := filepath.Join(t.TempDir(), "with a blank")
	unpack(t, archive, installed)
	for _, file := range []string{"README.md", "LICENSE", "CHANGELOG.md", "licences/go", "licences/onnxruntime", "licences/LICENSE.libwebp", "licences/LICENSE.libheif"} {
		if _, err := os.Stat(filepath.Join(installed, name, file)); err != nil {
			t.Error(err)
		}
	}
	link := filepath.Join(t.TempDir(), "declip")
	if err := os.Symlink(filepath.Join(installed, name, "declip"), link); err != nil {
		t.Fatal(err)
	}
	useInstalled(t, link, filepath.Join(installed, name), filepath.Join(root, "testdata", "sample", "forged.jpg"))
}

// useInstalled checks that the program finds the archive's library and localizes a picture.
func useInstalled(t *testing.T, program, installed, picture string) {
	t.Helper()
	folder := t.TempDir() // the current directory, and home
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = folder, []string{"HOME=" + folder, "PATH=/usr/bin:/bin"}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("declip %v: %v\n%s%s", args, err, text, &stderr)
		}
		return string(text)
	}
	if text := run("version"); !strings.Contains(text, "v0.0.1-test") {
		t.Errorf("version: got %q", text)
	}
	installed, err := filepath.EvalSymlinks(installed)
	if err != nil {
		t.Fatal(err)
	}
	if text := run("doctor"); !strings.Contains(text, installed+string(filepath.Separator)) || !strings.Contains(text, "next to the program") {
		t.Errorf("the library is not that of the archive in %s:\n%s", installed, text)
	}
	run("localize", "-o", "maps", picture)
	mask, err := os.Stat(filepath.Join(folder, "maps", "forged.mask.png"))
	if err != nil || mask.Size() == 0 {
		t.Errorf("no mask: %v", err)
	}
}

// unpack writes the files of an archive below a directory.
func unpack(t *testing.T, archive []byte, directory string) {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(compressed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(directory, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, h.FileInfo().Mode())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func headers(t *testing.T, archive []byte) []*tar.Header {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	var list []*tar.Header
	for r := tar.NewReader(compressed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
