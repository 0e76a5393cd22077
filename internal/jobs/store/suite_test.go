package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// suite is what every store has to do. open gives an empty store, and the same opened for reading.
func suite(t *testing.T, open func(t *testing.T) (s, reading Store)) {
	for name, test := range map[string]func(*testing.T, Store, Store){
		"Objects": testObjects, "IfAbsent": testIfAbsent, "Ranges": testRanges, "List": testList, "Large": testLarge,
		"BrokenBody": testBrokenBody, "ReadOnly": testReadOnly, "Keys": testKeys, "Context": testContext,
	} {
		t.Run(name, func(t *testing.T) {
			s, reading := open(t)
			test(t, s, reading)
			for _, s := range []Store{s, reading} {
				no(t, s.Close())
			}
		})
	}
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails unless err wraps want and names the key.
func is(t *testing.T, err, want error, key string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), key) {
		t.Fatalf("got error %v, expected %v about %s", err, want, key)
	}
}

func put(t *testing.T, s Store, key, body string) {
	t.Helper()
	no(t, s.Put(t.Context(), key, strings.NewReader(body)))
}

func get(t *testing.T, s Store, key string) string {
	t.Helper()
	r, info, err := s.Get(t.Context(), key)
	no(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	no(t, err)
	if info.Key != key || info.Size != int64(len(data)) || time.Since(info.Modified).Abs() > time.Minute {
		t.Fatalf("got %+v for %d bytes of %s", info, len(data), key)
	}
	return string(data)
}

func testObjects(t *testing.T, s, reading Store) {
	const key = "jobs/acme/a picture, ä.jsonl.zst"
	_, _, err := s.Get(t.Context(), key)
	is(t, err, ErrNotFound, key)
	_, err = s.Stat(t.Context(), key)
	is(t, err, ErrNotFound, key)
	no(t, s.Delete(t.Context(), key))
	for _, body := range []string{"first", "", "third, longer than the first"} {
		put(t, s, key, body)
		for _, s := range []Store{s, reading} {
			if got := get(t, s, key); got != body {
				t.Fatalf("got %q, expected %q", got, body)
			}
		}
		info, err := s.Stat(t.Context(), key)
		no(t, err)
		if info.Key != key || info.Size != int64(len(body)) {
			t.Fatalf("got %+v for %d bytes", info, len(body))
		}
	}
	no(t, s.Delete(t.Context(), key))
	_, err = s.Stat(t.Context(), key)
	is(t, err, ErrNotFound, key)
	put(t, s, key, "again")
	_, err = s.Stat(t.Context(), "jobs/acme")
	is(t, err, ErrNotFound, "jobs/acme")
}

// Of several writers, one creates an object.
func testIfAbsent(t *testing.T, s, _ Store) {
	const key, writers = "runs/hash/done.json", 8
	errs := make([]error, writers)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.PutIfAbsent(t.Context(), key, strings.NewReader(fmt.Sprint("writer ", i))) })
	}
	all.Wait()
	winner := -1
	for i, err := range errs {
		if err == nil && winner >= 0 {
			t.Fatalf("writers %d and %d have both created it", winner, i)
		}
		if err == nil {
			winner = i
		} else {
			is(t, err, ErrExists, key)
		}
	}
	if got, want := get(t, s, key), fmt.Sprint("writer ", winner); got != want {
		t.Fatalf("got %q, expected %q", got, want)
	}
	no(t, s.Delete(t.Context(), key))
	no(t, s.PutIfAbsent(t.Context(), key, strings.NewReader("again")))
}

func testRanges(t *testing.T, s, _ Store) {
	put(t, s, "tar", "0123456789")
	for _, c := range []struct {
		offset, n int64
		want      string
	}{{0, 3, "012"}, {4, 4, "4567"}, {8, 10, "89"}, {10, 1, ""}, {20, 1, ""}, {3, 0, ""}} {
		r, err := s.GetRange(t.Context(), "tar", c.offset, c.n)
		no(t, err)
		data, err := io.ReadAll(r)
		no(t, err)
		no(t, r.Close())
		if string(data) != c.want {
			t.Fatalf("%d bytes at %d: got %q, expected %q", c.n, c.offset, data, c.want)
		}
	}
	_, err := s.GetRange(t.Context(), "tar", -1, 1)
	is(t, err, ErrInvalid, "tar")
	_, err = s.GetRange(t.Context(), "none", 0, 1)
	is(t, err, ErrNotFound, "none")
}

func listed(t *testing.T, s Store, prefix string) (keys []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix) {
		no(t, err)
		if info.Size != int64(len(info.Key)) {
			t.Fatalf("%s has %d bytes, expected %d", info.Key, info.Size, len(info.Key))
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// Keys come in the order of their bytes, across directories.
func testList(t *testing.T, s, _ Store) {
	all := []string{"a", "a-b/c", "a.jpg", "a/b", "a/b-c", "a/b/c", "a/b0", "b/00000", "b/00001"}
	shuffled := slices.Clone(all)
	slices.Reverse(shuffled)
	for _, key := range shuffled {
		if key == "a" || key == "a/b" { // a directory cannot have a file's name
			continue
		}
		put(t, s, key, key)
	}
	all = slices.DeleteFunc(all, func(key string) bool { return key == "a" || key == "a/b" })
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "a-", "b/0000", "c", "a/b/c", "a/b/c/"} {
		want := slices.DeleteFunc(slices.Clone(all), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		if got := listed(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %q, expected %q", prefix, got, want)
		}
	}
	for info, err := range s.List(t.Context(), "") { // a caller may go
		no(t, err)
		if info.Key != all[0] {
			t.Fatalf("got %q, expected %q", info.Key, all[0])
		}
		break
	}
}

// smallPart is the size of the parts of objects in tests, in bytes.
const smallPart = 100_000

// Objects that are too large for one request are sent in parts.
func testLarge(t *testing.T, s, _ Store) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 2*smallPart/16+10)
	no(t, s.Put(t.Context(), "large", bytes.NewReader(data)))
	if got := get(t, s, "large"); got != string(data) {
		t.Fatalf("got %d bytes, expected %d", len(got), len(data))
	}
	is(t, s.PutIfAbsent(t.Context(), "large", bytes.NewReader(data)), ErrExists, "large")
	no(t, s.Delete(t.Context(), "large"))
	no(t, s.PutIfAbsent(t.Context(), "large", bytes.NewReader(data[:smallPart])))
	if info, err := s.Stat(t.Context(), "large"); err != nil || info.Size != smallPart {
		t.Fatalf("got %+v, %v, expected %d bytes", info, err, smallPart)
	}
}

// If what is to be written cannot be read, the existing object stays.
func testBrokenBody(t *testing.T, s, _ Store) {
	broken := errors.New("the disk is gone")
	for _, before := range []int{0, 1000, smallPart + 1000, 2*smallPart + 1000} {
		put(t, s, "key", "old")
		err := s.Put(t.Context(), "key", io.MultiReader(bytes.NewReader(make([]byte, before)), failing{broken}))
		is(t, err, broken, "key")
		for _, class := range []error{ErrNotFound, ErrExists, ErrUnavailable, ErrDenied} {
			if errors.Is(err, class) {
				t.Fatalf("%v is an error of the store", err)
			}
		}
		if got := get(t, s, "key"); got != "old" {
			t.Fatalf("got %d bytes, expected the old object", len(got))
		}
		is(t, s.PutIfAbsent(t.Context(), "new", failing{broken}), broken, "new")
		_, err = s.Stat(t.Context(), "new")
		is(t, err, ErrNotFound, "new")
	}
	if got := slices.Collect(func(yield func(string) bool) {
		for info, err := range s.List(t.Context(), "") {
			no(t, err)
			yield(info.Key)
		}
	}); !slices.Equal(got, []string{"key"}) {
		t.Fatalf("the store has %q, expected key alone", got)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testReadOnly(t *testing.T, s, reading Store) {
	put(t, s, "key", "old")
	is(t, reading.Put(t.Context(), "key", strings.NewReader("new")), ErrDenied, "key")
	is(t, reading.PutIfAbsent(t.Context(), "other", strings.NewReader("new")), ErrDenied, "other")
	is(t, reading.Delete(t.Context(), "key"), ErrDenied, "key")
	if got := get(t, s, "key"); got != "old" {
		t.Fatalf("got %q, expected the old object", got)
	}
}

// Keys that lead elsewhere are refused by all operations.
func testKeys(t *testing.T, s, _ Store) {
	for _, key := range []string{
		"", ".", "..", "../x", "a/../../x", "a/..", "/etc/passwd", "//x", "a//b", "a/", "./a", `a\b`, `..\x`, "a\x00b", "a\nb", "\xff",
		"file:///etc/passwd", "http://host/x", strings.Repeat("x", 1025),
	} {
		_, _, err := s.Get(t.Context(), key)
		is(t, err, ErrInvalid, "key")
		_, err = s.Stat(t.Context(), key)
		is(t, err, ErrInvalid, "key")
		_, err = s.GetRange(t.Context(), key, 0, 1)
		is(t, err, ErrInvalid, "key")
		is(t, s.Put(t.Context(), key, strings.NewReader("x")), ErrInvalid, "key")
		is(t, s.PutIfAbsent(t.Context(), key, strings.NewReader("x")), ErrInvalid, "key")
		is(t, s.Delete(t.Context(), key), ErrInvalid, "key")
	}
	for _, prefix := range []string{"..", "../", "/", "/etc", "a//b", `a\b`} {
		n := 0
		for _, err := range s.List(t.Context(), prefix) {
			is(t, err, ErrInvalid, "key")
			n++
		}
		if n != 1 {
			t.Fatalf("prefix %q: %d errors, expected one", prefix, n)
		}
	}
}

func testContext(t *testing.T, s, _ Store) {
	put(t, s, "key", "old")
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	body := io.MultiReader(strings.NewReader("new"), cancelling(func() { cancel(cause) }), strings.NewReader("more"))
	is(t, s.Put(ctx, "key", body), cause, "")
	if got := get(t, s, "key"); got != "old" {
		t.Fatalf("got %q, expected the old object", got)
	}
	_, _, err := s.Get(ctx, "key")
	is(t, err, cause, "")
	for _, err := range s.List(ctx, "") {
		is(t, err, cause, "")
	}
}

// cancelling calls itself when it is read, and is empty.
type cancelling func()

func (c cancelling) Read([]byte) (int, error) { c(); return 0, io.EOF }
