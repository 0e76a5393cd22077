package dataset

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// numbered is a source of n small pictures, of which the bad one cannot be loaded.
type numbered struct {
	n, bad  int
	loading atomic.Int32
	most    atomic.Int32
}

func (s *numbered) Len() int { return s.n }

func (s *numbered) Load(_ context.Context, i int) (Sample, error) {
	now := s.loading.Add(1)
	defer s.loading.Add(-1)
	most := s.most.Load()
	for now > most && !s.most.CompareAndSwap(most, now) {
		most = s.most.Load()
	}
	if i == s.bad {
		return Sample{}, fmt.Errorf("picture %d: %w", i, errBad)
	}
	sample := tell(96, 80, func(x, y int) bool { return x > 10*i })
	sample.Name = fmt.Sprint(i)
	return sample, nil
}

var errBad = errors.New("broken")

func newTestLoader(t *testing.T, s Source, o LoaderOptions) *Loader {
	t.Helper()
	l, err := NewLoader(s, Crop{Size: 32, Stride: 4, Inside: 0.5, Turn: true, Normalization: clip, Augment: []Augment{Tone(0.5, 0.2)}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// read takes count batches from step on, as copies.
func read(t *testing.T, l *Loader, step int64, count int) []Batch {
	t.Helper()
	var out []Batch
	for b, err := range l.Batches(context.Background(), step) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Batch{Step: b.Step, Images: slices.Clone(b.Images), Target: slices.Clone(b.Target), Names: slices.Clone(b.Names)})
		b.Release()
		if len(out) == count {
			break
		}
	}
	return out
}

func TestBatchesDependOnSeedAndStepOnly(t *testing.T) {
	s := &numbered{n: 7, bad: -1}
	want := read(t, newTestLoader(t, s, LoaderOptions{BatchSize: 3, Draws: 2, Seed: 5, Workers: 1}), 0, 9)
	got := read(t, newTestLoader(t, s, LoaderOptions{BatchSize: 3, Draws: 2, Seed: 5, Workers: 4, Ahead: 3}), 0, 9)
	late := read(t, newTestLoader(t, s, LoaderOptions{BatchSize: 3, Draws: 2, Seed: 5, Workers: 3}), 3, 6)
	other := read(t, newTestLoader(t, s, LoaderOptions{BatchSize: 3, Draws: 2, Seed: 6, Workers: 3}), 0, 1)
	same := func(a, b Batch) bool {
		return a.Step == b.Step && slices.Equal(a.Images, b.Images) && slices.Equal(a.Target, b.Target) && slices.Equal(a.Names, b.Names)
	}
	for i := range want {
		if !same(want[i], got[i]) {
			t.Errorf("step %d differs with more workers", i)
		}
		if i >= 3 && !same(want[i], late[i-3]) {
			t.Errorf("step %d differs when begun at step 3", i)
		}
		if want[i].Step != int64(i) {
			t.Errorf("batch %d says it is step %d", i, want[i].Step)
		}
	}
	if slices.Equal(want[0].Images, other[0].Images) {
		t.Error("another seed gave the same batch")
	}
	if slices.Equal(want[0].Images, want[1].Images) || !slices.Equal(want[0].Names, want[1].Names) {
		t.Error("two draws must show the same pictures in different crops")
	}
}

func TestEveryPictureOnceALap(t *testing.T) {
	s := &numbered{n: 10, bad: -1}
	l := newTestLoader(t, s, LoaderOptions{BatchSize: 4, Seed: 1})
	if got := l.StepsPerEpoch(); got != 3 { // 10 pictures in batches of 4
		t.Errorf("got %d steps an epoch, want 3", got)
	}
	var names []string
	for _, b := range read(t, l, 0, 5) {
		names = append(names, b.Names...)
	}
	first, second := names[:10], names[10:20]
	if slices.Equal(first, second) {
		t.Error("two laps came in the same order")
	}
	for _, lap := range [][]string{first, second} {
		if sorted := slices.Sorted(slices.Values(lap)); len(slices.Compact(sorted)) != 10 {
			t.Errorf("a lap holds a picture twice: %v", lap)
		}
	}
}

func TestLoaderIsBounded(t *testing.T) {
	s := &numbered{n: 50, bad: -1}
	l := newTestLoader(t, s, LoaderOptions{BatchSize: 2, Workers: 3, Ahead: 2})
	before := runtime.NumGoroutine()
	for b, err := range l.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Sleep(20 * time.Millisecond); b.Step == 5 {
			break
		}
	}
	if most := s.most.Load(); most > 3 {
		t.Errorf("%d pictures were being loaded at a time, want at most 3", most)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines are left, %d were there before", after, before)
	}
}

func TestBadPictureIsNamed(t *testing.T) {
	l := newTestLoader(t, &numbered{n: 6, bad: 4}, LoaderOptions{BatchSize: 2})
	steps := 0
	for _, err := range l.Batches(context.Background(), 0) {
		if steps++; err == nil {
			continue
		}
		if !errors.Is(err, errBad) || !strings.Contains(err.Error(), "picture 4") {
			t.Errorf("got %v, want the broken picture's error", err)
		}
		if steps > 3 {
			t.Errorf("the error came at step %d, the picture is in one of the first 3", steps)
		}
		return
	}
	t.Error("the sequence ended without an error")
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := newTestLoader(t, &numbered{n: 6, bad: -1}, LoaderOptions{BatchSize: 2})
	steps := 0
	var last error
	for _, err := range l.Batches(ctx, 0) {
		if steps++; steps == 3 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || steps > 10 {
		t.Errorf("got %v after %d steps, want context.Canceled soon after 3", last, steps)
	}
}

func TestGenerated(t *testing.T) {
	base := &numbered{n: 5, bad: -1}
	made := Generated{Count: 5, ID: "a", Make: base.Load}
	want := read(t, newTestLoader(t, base, LoaderOptions{BatchSize: 2}), 0, 1)
	got := read(t, newTestLoader(t, made, LoaderOptions{BatchSize: 2}), 0, 1)
	if !slices.Equal(want[0].Images, got[0].Images) {
		t.Error("the same samples gave another batch")
	}
	other := Generated{Count: 5, ID: "b", Make: base.Load}
	if made.Fingerprint() == other.Fingerprint() {
		t.Error("other samples have the same fingerprint")
	}
}

func TestLoaderRefuses(t *testing.T) {
	if _, err := NewLoader(&numbered{}, Crop{}, LoaderOptions{BatchSize: 1}); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty source: got %v, want ErrEmpty", err)
	}
	if _, err := NewLoader(&numbered{n: 1}, Crop{}, LoaderOptions{}); err == nil {
		t.Error("a batch size of 0 was accepted")
	}
}
