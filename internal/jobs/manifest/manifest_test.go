package manifest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s store.Store, key, text string) {
	t.Helper()
	if err := s.Put(context.Background(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

var job = &schema.Job{ID: "J", Tenant: "T"}

func numbered(n int) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i := range n {
			if !yield(Item{Key: fmt.Sprintf("p/%d.jpg", i)}, nil) {
				return
			}
		}
	}
}

// Ranges read back what was written, from all parts of the manifest.
func TestWriteAndRead(t *testing.T) {
	s := openStore(t)
	const n = 2*schema.PartItems + 5
	if got, err := Write(context.Background(), s, job, numbered(n)); err != nil || got != n {
		t.Fatalf("got %d items, %v, expected %d", got, err, n)
	}
	r := NewReader(s)
	for _, want := range []schema.Range{{From: 0, N: 1}, {From: schema.PartItems - 3, N: 3}, {From: schema.PartItems, N: 16}, {From: n - 5, N: 5}} {
		items, err := r.Read(context.Background(), job, want)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) != want.N || items[0].Key != fmt.Sprintf("p/%d.jpg", want.From) {
			t.Errorf("range %v: got %d items from %s on", want, len(items), items[0].Key)
		}
	}
	if _, err := r.Read(context.Background(), job, schema.Range{From: n - 5, N: 6}); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("a range beyond the end: got %v", err)
	}
}

// An item that could leave the source, and an error of the input, end the writing.
func TestWriteRefuses(t *testing.T) {
	for _, key := range []string{"../a.jpg", "/a.jpg", "", "a//b.jpg", "file:///a.jpg"} {
		one := func(yield func(Item, error) bool) { yield(Item{Key: key}, nil) }
		if _, err := Write(context.Background(), openStore(t), job, one); !errors.Is(err, schema.ErrInvalid) {
			t.Errorf("key %q: got %v, expected it to be refused", key, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Write(context.Background(), openStore(t), job, func(yield func(Item, error) bool) { yield(Item{}, broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v, expected the input's error", err)
	}
}

func names(t *testing.T, items iter.Seq2[Item, error]) (list []string) {
	t.Helper()
	for item, err := range items {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, item.Name())
	}
	return list
}

func inputs(s store.Store, left *[]string) *Inputs {
	return &Inputs{
		Source: s, IsPicture: func(name string) bool { return path.Ext(name) == ".jpg" },
		LeftOut: func(name string, _ error) { *left = append(*left, name) },
	}
}

func TestPrefix(t *testing.T) {
	s := openStore(t)
	for _, key := range []string{"in/b.jpg", "in/a/1.jpg", "in/notes.txt", "in/.hidden.jpg", "out/c.jpg"} {
		put(t, s, key, "x")
	}
	put(t, s, "in/shard.tar", archive(t, "x/1.jpg", "x/1.json", "x/2.jpg"))
	var left []string
	got := names(t, inputs(s, &left).Prefix(context.Background(), "in/"))
	if want := []string{"in/a/1.jpg", "in/b.jpg", "in/shard.tar/x/1.jpg", "in/shard.tar/x/2.jpg"}; !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
	if want := []string{"in/notes.txt", "in/shard.tar/x/1.json"}; !slices.Equal(left, want) {
		t.Errorf("left out %q, expected %q", left, want)
	}
}

// archive makes a tar archive of files that hold their own names, the first of them often, so that
// it is longer than what is read at a time.
func archive(t *testing.T, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, name := range members {
		data := []byte(name)
		if i == 0 {
			data = bytes.Repeat(data, 2*readAhead/len(data))
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The places of members in an archive are those of their contents.
func TestTar(t *testing.T) {
	s := openStore(t)
	long := strings.Repeat("d/", 90) + "4.jpg" // needs a header of its own
	put(t, s, "s.tar", archive(t, "1.jpg", "2.jpg", "3.txt", long))
	var left []string
	for item, err := range inputs(s, &left).Tar(context.Background(), "s.tar") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := s.GetRange(context.Background(), item.Key, item.Offset, item.Size)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		body.Close()
		if name := strings.TrimPrefix(item.Image, "s.tar/"); err != nil || !strings.HasPrefix(string(text), name) || len(text) != int(item.Size) {
			t.Errorf("%s: got %.20q, %d bytes, %v", name, text, len(text), err)
		}
	}
	whole := archive(t, "1.jpg", "2.jpg")
	put(t, s, "cut.tar", whole[:readAhead])
	var failed error
	for _, err := range inputs(s, &left).Tar(context.Background(), "cut.tar") {
		failed = err
	}
	if !errors.Is(failed, errArchive) {
		t.Errorf("a cut archive: got %v", failed)
	}
}

func TestLines(t *testing.T) {
	s := openStore(t)
	put(t, s, "s.tar", archive(t, "1.jpg"))
	list := "a.jpg\r\n\n{\"key\":\"b.jpg\",\"image\":\"B\"}\ns.tar\nnotes\n"
	var left []string
	got := names(t, inputs(s, &left).Lines(context.Background(), strings.NewReader(list)))
	if want := []string{"a.jpg", "B", "s.tar/1.jpg", "notes"}; !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
	for _, bad := range []string{"a.jpg\n../b.jpg\n", "a.jpg\n{\"key\":\"b\",\"more\":1}\n", "a.jpg\nmissing.tar\n"} {
		var failed error
		for _, err := range inputs(s, &left).Lines(context.Background(), strings.NewReader(bad)) {
			if err != nil {
				failed = err
			}
		}
		if failed == nil || !strings.Contains(failed.Error(), "line 2") {
			t.Errorf("%q: got %v, expected an error about line 2", bad, failed)
		}
	}
}

func TestKeys(t *testing.T) {
	s := openStore(t)
	put(t, s, "s.tar", archive(t, "1.jpg", "2.jpg"))
	var left []string
	got := names(t, inputs(s, &left).Keys(context.Background(), []string{"b.jpg", "s.tar", "a"}))
	if want := []string{"b.jpg", "s.tar/1.jpg", "s.tar/2.jpg", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
	for _, bad := range []string{"../b.jpg", "/b.jpg", "", "missing.tar"} {
		var failed error
		for _, err := range inputs(s, &left).Keys(context.Background(), []string{"a.jpg", bad, "c.jpg"}) {
			if failed != nil {
				t.Errorf("%q: the list continues after %v", bad, failed)
			}
			failed = err
		}
		if failed == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a.jpg\n{\"key\":\"b.jpg\",\"offset\":1,\"size\":2}\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, list []byte) {
		s, err := store.OpenDir(dir, store.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var left []string
		for item, err := range inputs(s, &left).Lines(context.Background(), bytes.NewReader(list)) {
			if err == nil && (item.Check() != nil || strings.Contains("/"+item.Key+"/", "/../")) {
				t.Fatalf("%+v was taken", item)
			}
		}
	})
}
