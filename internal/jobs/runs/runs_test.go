package runs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
)

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newBook(t *testing.T) (*Book, *queue.Memory, store.Store) {
	t.Helper()
	s, err := store.OpenDir(t.TempDir(), store.Options{})
	no(t, err)
	t.Cleanup(func() { s.Close() })
	e := &queue.Memory{}
	b, err := New(e, s)
	no(t, err)
	return b, e, s
}

// dirWith gives a directory with a file.
func dirWith(t *testing.T, contents string) string {
	t.Helper()
	dir := t.TempDir()
	no(t, os.WriteFile(filepath.Join(dir, "last.safetensors"), []byte(contents), 0o600))
	return dir
}

var names = []string{"last.safetensors"}

// fetched is the file of an entry.
func fetched(t *testing.T, b *Book, e Entry) string {
	t.Helper()
	dir := t.TempDir()
	no(t, b.Fetch(t.Context(), e, dir))
	text, err := os.ReadFile(filepath.Join(dir, names[0]))
	no(t, err)
	return string(text)
}

func objects(t *testing.T, s store.Store) (keys []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), "") {
		no(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

// A worker that has lost its claim changes nothing.
func TestFence(t *testing.T) {
	b, _, s := newBook(t)
	ctx := t.Context()
	first, err := b.Claim(ctx, "HASH", "w1")
	no(t, err)
	no(t, first.Save(ctx, 10, dirWith(t, "first, 10"), names))
	second, err := b.Claim(ctx, "HASH", "w2")
	no(t, err)
	if second.Step != 10 || second.Attempt != 2 || fetched(t, b, second.Entry) != "first, 10" {
		t.Fatalf("got %+v", second.Entry)
	}
	no(t, second.Save(ctx, 20, dirWith(t, "second, 20"), names))
	late := dirWith(t, "first, late")
	for what, err := range map[string]error{
		"Save": first.Save(ctx, 30, late, names), "Finish": first.Finish(ctx, late, names), "Fail": first.Fail(ctx, "late"),
		"Release": first.Release(ctx), "Refuse": first.Refuse(ctx, "late"),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s of the lost claim: got %v", what, err)
		}
	}
	e, err := b.Look(ctx, "HASH")
	if err != nil || e.Step != 20 || e.State != Running || fetched(t, b, e) != "second, 20" {
		t.Errorf("got %+v, %v", e, err)
	}
	if keys := objects(t, s); len(keys) != 1 {
		t.Errorf("the store has %q, expected the last checkpoint alone", keys)
	}
	no(t, second.Finish(ctx, dirWith(t, "result"), names))
	if e, err := b.Look(ctx, "HASH"); err != nil || e.State != Done || fetched(t, b, e) != "result" {
		t.Errorf("got %+v, %v", e, err)
	}
	if _, err := b.Claim(ctx, "HASH", "w3"); !errors.Is(err, ErrOver) {
		t.Errorf("a finished run: got %v", err)
	}
}

// Of several workers that claim a run at the same time, the last one has it.
func TestClaimsAtTheSameTime(t *testing.T) {
	b, _, _ := newBook(t)
	const workers = 8
	claims := make([]*Claim, workers)
	var all sync.WaitGroup
	for i := range claims {
		all.Go(func() { claims[i], _ = b.Claim(t.Context(), "HASH", "w") })
	}
	all.Wait()
	kept, attempts := 0, 0
	dir := dirWith(t, "x")
	for _, c := range claims {
		if c == nil {
			t.Fatal("a worker has no claim")
		}
		attempts = max(attempts, c.Attempt)
		switch err := c.Save(t.Context(), 1, dir, names); {
		case err == nil:
			kept++
		case !errors.Is(err, ErrLost):
			t.Fatal(err)
		}
	}
	if kept != 1 || attempts != workers {
		t.Errorf("%d claims are left, after %d attempts", kept, attempts)
	}
}

// Starts count until a checkpoint, but not those of workers that stop in an orderly way.
func TestCounts(t *testing.T) {
	b, _, _ := newBook(t)
	ctx := t.Context()
	claim := func(starts, refused int) *Claim {
		t.Helper()
		c, err := b.Claim(ctx, "HASH", "w")
		no(t, err)
		if c.Starts != starts || c.Refused != refused {
			t.Fatalf("got %d starts and %d refusals, expected %d and %d", c.Starts, c.Refused, starts, refused)
		}
		return c
	}
	claim(1, 0)
	no(t, claim(2, 0).Release(ctx))
	claim(2, 0)
	no(t, claim(3, 0).Refuse(ctx, "no data"))
	c := claim(3, 1)
	if e, err := b.Look(ctx, "HASH"); err != nil || e.Problem != "no data" {
		t.Errorf("got %+v, %v", e, err)
	}
	no(t, c.Save(ctx, 5, dirWith(t, "5"), names))
	c = claim(2, 0)
	no(t, c.Fail(ctx, "it broke"))
	if _, err := b.Claim(ctx, "HASH", "w"); !errors.Is(err, ErrOver) || !strings.Contains(err.Error(), "it broke") {
		t.Errorf("a failed run: got %v", err)
	}
	no(t, b.Reset(ctx, "HASH"))
	if c := claim(1, 0); c.Step != 5 || fetched(t, b, c.Entry) != "5" {
		t.Errorf("after a reset: got %+v", c.Entry)
	}
	no(t, b.Reset(ctx, "other"))
}

// A worker that dies between its entry and its result leaves a finished run.
func TestDiesBeforeTheResult(t *testing.T) {
	for name, next := range map[string]func(*Book) error{
		"claimed": func(b *Book) error {
			_, err := b.Claim(t.Context(), "HASH", "w2")
			if !errors.Is(err, ErrOver) {
				return errors.Join(errors.New("expected that it is over"), err)
			}
			return nil
		},
		"reset": func(b *Book) error { return b.Reset(t.Context(), "HASH") },
	} {
		t.Run(name, func(t *testing.T) {
			b, _, s := newBook(t)
			c, err := b.Claim(t.Context(), "HASH", "w1")
			no(t, err)
			no(t, c.Finish(t.Context(), dirWith(t, "result"), names))
			no(t, s.Delete(t.Context(), "runs/HASH/done.json"))
			no(t, next(b))
			no(t, func() error { _, err := s.Stat(t.Context(), "runs/HASH/done.json"); return err }())
			if e, err := b.Look(t.Context(), "HASH"); err != nil || fetched(t, b, e) != "result" {
				t.Errorf("got %+v, %v", e, err)
			}
		})
	}
}

// A result is not lost with the queue, and one that is gone from the store is made again.
func TestLosses(t *testing.T) {
	b, e, s := newBook(t)
	ctx := t.Context()
	if _, err := b.Look(ctx, "HASH"); !errors.Is(err, ErrUnknown) {
		t.Fatalf("got %v", err)
	}
	no(t, b.Publish(ctx, "HASH", dirWith(t, "result"), names))
	no(t, b.Publish(ctx, "HASH", dirWith(t, "another"), names))
	no(t, e.Reset(ctx))
	got, err := b.Look(ctx, "HASH")
	if err != nil || fetched(t, b, got) != "result" {
		t.Fatalf("got %+v, %v", got, err)
	}
	c, err := b.Claim(ctx, "OTHER", "w")
	no(t, err)
	no(t, c.Finish(ctx, dirWith(t, "x"), names))
	for _, key := range objects(t, s) {
		no(t, s.Delete(ctx, key))
	}
	no(t, b.Reset(ctx, "OTHER"))
	c, err = b.Claim(ctx, "OTHER", "w")
	if err != nil || c.Step != 0 || len(c.Files) != 0 {
		t.Errorf("got %+v, %v, expected that it begins again", c, err)
	}
}

// Contents that are not those of the checkpoint are an error, and so are names that lead elsewhere.
func TestDamage(t *testing.T) {
	b, _, s := newBook(t)
	ctx := context.Background()
	c, err := b.Claim(ctx, "HASH", "w")
	no(t, err)
	no(t, c.Save(ctx, 1, dirWith(t, "good"), names))
	no(t, s.Put(ctx, c.Files[0].Key, strings.NewReader("bad!")))
	dir := t.TempDir()
	if err := b.Fetch(ctx, c.Entry, dir); err == nil || !strings.Contains(err.Error(), c.Files[0].Key) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	for _, text := range []string{
		"", "{}", `{"v":2}`, `{"v":1,"files":[{"name":"../x"}]}`, `{"v":1,"files":[{"name":".x"}]}`, `{"v":1,"files":[{"name":""}]}`,
	} {
		no(t, s.Put(ctx, "runs/BAD/done.json", bytes.NewReader([]byte(text))))
		if _, err := b.Look(ctx, "BAD"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if _, err := b.Claim(ctx, "a.b", "w"); err == nil {
		t.Error("a run's name with a dot is taken")
	}
}
