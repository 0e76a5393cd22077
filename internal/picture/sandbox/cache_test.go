package sandbox

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestMain keeps the modules of tests out of the user's cache.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", dir)
	os.Setenv("HOME", dir) // macOS
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// newCache makes the user's cache directory an empty one. It returns the directory for decoders.
func newCache(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("HOME", t.TempDir()) // macOS
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(base, "declip", "decoders")
}

func starts(t *testing.T) {
	t.Helper()
	run, err := New(packed(t, endless)).Start(context.Background(), plenty)
	if err != nil {
		t.Fatal(err)
	}
	run.Close()
}

// cached returns the compiled modules in a directory.
func cached(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A compiled decoder is kept and used again; a damaged one is compiled again.
func TestCache(t *testing.T) {
	dir := newCache(t)
	starts(t)
	names := cached(t, dir)
	if len(names) != 1 {
		t.Fatalf("%d compiled modules after the first run: %q", len(names), names)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	starts(t)
	for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(names[0], whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		starts(t)
	}
}

// Nothing is taken from a directory that others can write to.
func TestCacheOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // the cache directory is the user's own
	}
	dir := newCache(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	starts(t)
	if names := cached(t, dir); len(names) > 0 {
		t.Errorf("compiled modules in a directory that everyone can write to: %q", names)
	}
	if _, err := cacheDir(); err == nil {
		t.Error("a directory that everyone can write to is trusted")
	}
}
