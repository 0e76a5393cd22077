package engine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// open opens the engine again; without a library the test fails and says what to do.
func open(t testing.TB) *Engine {
	t.Helper()
	e, err := Open(Options{Device: "cpu"})
	if err != nil {
		t.Fatalf("this test needs ONNX Runtime; run \"make setup\" first: %v", err)
	}
	return e
}

func wantWaysToGetIt(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrNoLibrary) {
		t.Fatalf("got error %v, expected ErrNoLibrary", err)
	}
	for _, way := range []string{`1. run "declip doctor --install"`, "make setup", "packages or Homebrew", "DECLIP_ORT_LIB="} {
		if !strings.Contains(err.Error(), way) {
			t.Errorf("error does not name the way %q:\n%v", way, err)
		}
	}
}

func TestNoLibraryNamesTheWaysToGetIt(t *testing.T) {
	_, err := search([]place{{folder: t.TempDir(), source: "empty"}})
	wantWaysToGetIt(t, err)
}

func TestSearchPassesOverWhatIsNoLibrary(t *testing.T) {
	lib := open(t).library
	bad, good := t.TempDir(), filepath.Dir(lib.path)
	broken := filepath.Join(bad, strings.ReplaceAll(libraryNames()[0], "*", "1"))
	write(t, broken, "not a library")
	_, err := search([]place{{folder: bad, source: "bad"}})
	wantWaysToGetIt(t, err)
	if !strings.Contains(err.Error(), broken) {
		t.Errorf("error does not name %s: %v", broken, err)
	}
	found, err := search([]place{{folder: bad, source: "bad"}, {folder: good, source: "good"}})
	if err != nil || found.source != "good" {
		t.Errorf("got %+v, %v, expected the library from the second place", found, err)
	}
	if len(found.refused) != 1 || !strings.Contains(found.refused[0], broken) {
		t.Errorf("refused %q, expected %s", found.refused, broken)
	}
}

func TestExplicitLibraryIsFinal(t *testing.T) {
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes.txt")
	write(t, notes, "not a library")
	for name, path := range map[string]string{
		"missing":        filepath.Join(dir, "nothing.so"),
		"not a library":  notes,
		"folder without": dir,
	} {
		t.Run(name+", by variable", func(t *testing.T) {
			t.Setenv(LibraryVariable, path)
			_, err := findLibrary("")
			wantWaysToGetIt(t, err)
			if !strings.Contains(err.Error(), path) {
				t.Errorf("error does not name %s: %v", path, err)
			}
		})
		t.Run(name+", by option", func(t *testing.T) {
			t.Setenv(LibraryVariable, open(t).library.path) // the option goes first
			_, err := findLibrary(path)
			wantWaysToGetIt(t, err)
		})
	}
}

func TestAnotherSharedLibraryIsRefused(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("needs Linux's /proc to find some other shared library")
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if path := fields[len(fields)-1]; strings.Contains(path, "libc.so") {
			if _, err := inspect(path); err == nil || !strings.Contains(err.Error(), "OrtGetApiBase") {
				t.Errorf("inspect %s: got %v, expected that it is not ONNX Runtime", path, err)
			}
			return
		}
	}
	t.Skip("the C library is linked statically")
}

func TestOneLibraryPerProcess(t *testing.T) {
	first := open(t)
	link := filepath.Join(t.TempDir(), "link.so")
	if err := os.Symlink(first.library.path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Library: link, Device: "cpu"}); err != nil {
		t.Errorf("same library by another name: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.so")
	write(t, other, "")
	_, err := Open(Options{Library: other, Device: "cpu"})
	if !errors.Is(err, ErrOtherLibrary) || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), first.library.path) {
		t.Errorf("another library: got %v, expected ErrOtherLibrary with both names", err)
	}
}

func TestCurrentFolderIsNotSearched(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, strings.ReplaceAll(libraryNames()[0], "*", "1")), "planted")
	write(t, filepath.Join(dir, "go.mod"), "module github.com/declip/declip\n")
	t.Chdir(dir)
	t.Setenv("LD_LIBRARY_PATH", dir)
	for _, p := range searchPlaces() {
		if !filepath.IsAbs(p.folder) || strings.HasPrefix(p.folder, dir) {
			t.Errorf("%s would be searched as %s", p.folder, p.source)
		}
	}
}

func TestLibrariesIn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("file names are Linux's")
	}
	dir := filepath.Join(t.TempDir(), "with [brackets]")
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	want := []string{
		filepath.Join(dir, "node_modules/onnxruntime-node/bin/napi-v6/linux", arch, "libonnxruntime.so.1"),
		filepath.Join(dir, "libonnxruntime.so"),
		filepath.Join(dir, "libonnxruntime.so.1.30.0"),
		filepath.Join(dir, "libonnxruntime.so.1.24.0"),
		filepath.Join(dir, "capi/libonnxruntime.so.1.26.0"),
	}
	for _, path := range want {
		write(t, path, "")
	}
	write(t, filepath.Join(dir, "libonnxruntime_providers_shared.so"), "")
	if got := librariesIn(dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCheckVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"1.30.0": true, "1.24.0": true, "1.24.1-dev": true, "2.0.0": true,
		"1.23.9": false, "1.9.0": false, "0.30.0": false, "": false, "one.two": false,
	} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("version %q: got error %v, expected usable %v", version, err, ok)
		}
	}
}

func TestInfo(t *testing.T) {
	e, err := Open(Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	info := e.Info()
	if info.Threads != 3 || info.Cores < 1 || info.Devices[len(info.Devices)-1] != "cpu" || !filepath.IsAbs(info.Library) {
		t.Errorf("got %+v", info)
	}
	if err := checkVersion(info.Version); err != nil {
		t.Error(err)
	}
	if runtime.GOARCH == "amd64" && !slices.Contains(info.SIMD, "sse4.2") {
		t.Errorf("SIMD %v lacks sse4.2, which every such CPU of the last 15 years has", info.SIMD)
	}
	if got := open(t).Info().Threads; got != runtime.GOMAXPROCS(0) {
		t.Errorf("got %d threads by default, expected %d", got, runtime.GOMAXPROCS(0))
	}
	if _, err := Open(Options{Threads: -1}); err == nil {
		t.Error("negative threads were taken")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
