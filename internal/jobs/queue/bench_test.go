package queue

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/jobs/store"
)

// benchQueue starts an embedded queue with a pool.
func benchQueue(b *testing.B) *JetStream {
	b.Helper()
	e, err := Start(b.Context(), filepath.Join(b.TempDir(), "queue"), Hooks{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	if err := e.Pool(b.Context(), "p", 1); err != nil {
		b.Fatal(err)
	}
	return e
}

// BenchmarkStart starts and stops an embedded queue that has its streams.
func BenchmarkStart(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "queue")
	for b.Loop() {
		e, err := Start(b.Context(), dir, Hooks{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPut puts in batches, one after the other. Each is on the disk when Put returns.
func BenchmarkPut(b *testing.B) {
	e, i := benchQueue(b), 0
	body := bytes.Repeat([]byte("x"), 200)
	for b.Loop() {
		if _, err := e.Put(b.Context(), fmt.Sprintf("work.p.bulk.t.j.%d-1", i), body); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkTake takes batches and finishes them, one after the other.
func BenchmarkTake(b *testing.B) {
	e := benchQueue(b)
	const ahead = 64
	n := 0
	fill := func() {
		for range ahead {
			if _, err := e.Put(b.Context(), fmt.Sprintf("work.p.bulk.t.j.%d-1", n), nil); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	from, err := e.Take(b.Context(), TakeOptions{Pools: []string{"p"}, Prefetch: true})
	if err != nil {
		b.Fatal(err)
	}
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			fill()
			left = ahead
			b.StartTimer()
		}
		left--
		l, err := from.Take(b.Context())
		if err == nil {
			err = l.Done(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch is all that a batch costs but its work: it is put in and taken, its part is
// written, it is reported and finished.
func BenchmarkBatch(b *testing.B) {
	e, i := benchQueue(b), 0
	s, err := store.OpenDir(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	from, err := e.Take(b.Context(), TakeOptions{Pools: []string{"p"}, Prefetch: true})
	if err != nil {
		b.Fatal(err)
	}
	part := bytes.Repeat([]byte("x"), 512*91) // 512 records
	for b.Loop() {
		if err := batch(b.Context(), e, s, from, fmt.Sprintf("%d-512", 512*i), part); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func batch(ctx context.Context, e Engine, s store.Store, from Taker, name string, part []byte) error {
	if _, err := e.Put(ctx, "work.p.bulk.t.j."+name, part[:200]); err != nil {
		return err
	}
	l, err := from.Take(ctx)
	if err != nil {
		return err
	}
	if err := s.Put(ctx, "jobs/t/j/digest/parts/"+name+".jsonl.zst", bytes.NewReader(part)); err != nil {
		return err
	}
	if _, err := e.Put(ctx, "done.t.j."+name, part[:200]); err != nil {
		return err
	}
	return l.Done(ctx)
}
