package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/files/powerloss"
)

func openDirs(t *testing.T) (s, reading Store) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	s, err := Open(t.Context(), "file://"+filepath.ToSlash(dir), Options{})
	no(t, err)
	reading, err = Open(t.Context(), dir, Options{ReadOnly: true})
	no(t, err)
	return s, reading
}

func TestFiles(t *testing.T) { suite(t, openDirs) }

// Links out of the directory are not followed by any operation.
func TestLinksOut(t *testing.T) {
	outside := t.TempDir()
	no(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	dir := t.TempDir()
	s, err := OpenDir(dir, Options{})
	no(t, err)
	defer s.Close()
	put(t, s, "inside", "inside")
	for link, to := range map[string]string{
		"file": filepath.Join(outside, "secret"), "folder": outside, "up": "../" + filepath.Base(outside), "good": "inside",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "folder/secret", "up/secret"} {
		_, _, err := s.Get(t.Context(), key)
		is(t, err, ErrDenied, key)
		_, err = s.Stat(t.Context(), key)
		is(t, err, ErrDenied, key)
	}
	for _, key := range []string{"folder/new", "up/new"} {
		is(t, s.Put(t.Context(), key, strings.NewReader("x")), ErrDenied, key)
		is(t, s.PutIfAbsent(t.Context(), key, strings.NewReader("x")), ErrDenied, key)
		is(t, s.Delete(t.Context(), "folder/secret"), ErrDenied, "folder/secret")
	}
	if got := get(t, s, "good"); got != "inside" {
		t.Fatalf("a link inside the directory gave %q", got)
	}
	// Writing replaces a link, not what it leads to.
	put(t, s, "file", "mine")
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(data) != "secret" {
		t.Fatalf("outside the directory: %q, %v", data, err)
	}
	var keys, refused []string
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			is(t, err, ErrDenied, info.Key)
			refused = append(refused, info.Key)
		} else {
			keys = append(keys, info.Key)
		}
	}
	if !slices.Equal(keys, []string{"file", "good", "inside"}) || !slices.Equal(refused, []string{"folder", "up"}) {
		t.Fatalf("listed %q, refused %q", keys, refused)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Fatalf("outside the directory: %v, %v", entries, err)
	}
}

// Temporary files are not objects. Those of writers that died long ago are removed.
func TestTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDir(dir, Options{})
	no(t, err)
	defer s.Close()
	put(t, s, "parts/0-16", "parts/0-16")
	old, young := filepath.Join(dir, "parts", ".0-16.123.tmp"), filepath.Join(dir, "parts", ".0-16.124.tmp")
	for _, name := range []string{old, young} {
		no(t, os.WriteFile(name, []byte("half"), 0o644))
	}
	at := time.Now().Add(-25 * time.Hour)
	no(t, os.Chtimes(old, at, at))
	reading, err := OpenDir(dir, Options{ReadOnly: true})
	no(t, err)
	defer reading.Close()
	for i, s := range []Store{reading, s} {
		if got := listed(t, s, ""); !slices.Equal(got, []string{"parts/0-16"}) {
			t.Fatalf("listed %q", got)
		}
		if _, err := os.Stat(old); (err == nil) != (i == 0) {
			t.Fatalf("store %d, old temporary file: %v", i, err)
		}
		if _, err := os.Stat(young); err != nil {
			t.Fatal(err)
		}
	}
	is(t, s.Put(t.Context(), "parts/.0-16.123.tmp", strings.NewReader("x")), ErrInvalid, "0-16")
}

// Empty directories go with their last object, so that the result of a job that is removed is gone.
func TestEmptyDirectories(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDir(dir, Options{})
	no(t, err)
	defer s.Close()
	put(t, s, "a/b/c/1", "1")
	put(t, s, "a/2", "2")
	no(t, s.Delete(t.Context(), "a/b/c/1"))
	if _, err := os.Stat(filepath.Join(dir, "a", "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the empty directory is there: %v", err)
	}
	no(t, s.Delete(t.Context(), "a/2"))
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Fatalf("left: %v, %v", entries, err)
	}
}

// After a power failure at any time an object is the old one or the new one; once Put has returned,
// it is the new one.
func TestObjectsSurvivePowerLoss(t *testing.T) {
	const key = "jobs/part"
	for name, write := range map[string]func(Store) error{
		"Put":         func(s Store) error { return s.Put(t.Context(), key, strings.NewReader("the new object")) },
		"PutIfAbsent": func(s Store) error { return s.PutIfAbsent(t.Context(), key, strings.NewReader("the new object")) },
	} {
		dir := t.TempDir()
		s, err := OpenDir(dir, Options{})
		no(t, err)
		defer s.Close()
		if name == "Put" {
			put(t, s, key, "old")
		} else {
			put(t, s, "jobs/other", "old")
		}
		r := powerloss.Record(t, dir)
		no(t, write(s))
		r.Stop()
		found := map[string]int{}
		r.Replay(func(t testing.TB, state powerloss.State) {
			data, err := os.ReadFile(filepath.Join(state.Dir, filepath.FromSlash(key)))
			if err != nil && (name == "Put" || !errors.Is(err, fs.ErrNotExist)) {
				t.Errorf("%s: %v", name, err)
			}
			found[string(data)]++
			if got := string(data); got != "the new object" && (got != map[string]string{"Put": "old"}[name] || state.Finished) {
				t.Errorf("%s: the object is %q, finished %v", name, got, state.Finished)
			}
		})
		if len(found) != 2 {
			t.Errorf("%s: found %v, expected the old state and the new one", name, found)
		}
	}
}

func TestOpen(t *testing.T) {
	for _, text := range []string{
		"", "ftp://host/x", "file://host/srv", "file:///srv?x=1", "s3:///prefix", "s3://bucket/../x", "s3://user:password@bucket/x",
		"s3://bucket?speed=1", "gs://bucket", "azblob://container", "file:/%zz://",
	} {
		s, err := Open(t.Context(), text, Options{ReadOnly: true})
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", text)
			continue
		}
		if strings.Contains(err.Error(), "password") {
			t.Errorf("%q: the error repeats a password: %v", text, err)
		}
		is(t, err, ErrInvalid, "")
	}
	_, err := Open(t.Context(), "gs://bucket", Options{})
	is(t, err, ErrInvalid, "docs/jobs.md")
	_, err = Open(t.Context(), filepath.Join(t.TempDir(), "none"), Options{ReadOnly: true})
	is(t, err, ErrNotFound, "none")
}
