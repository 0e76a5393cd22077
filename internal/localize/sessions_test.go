package localize

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
)

func TestSessionsTryAgainAfterAnError(t *testing.T) {
	calls := 0
	s := newSessions(func(int, int) (*engine.Session, error) {
		calls++
		return nil, fmt.Errorf("call %d", calls)
	})
	for want := 1; want <= 2; want++ {
		if _, _, err := s.get(context.Background(), 8, 8); err == nil || err.Error() != fmt.Sprintf("call %d", want) {
			t.Errorf("error %v, expected that of call %d", err, want)
		}
	}
}

func TestSessionsAreLoadedOnceAndForgotten(t *testing.T) {
	var mu sync.Mutex
	loads := map[int]int{}
	s := newSessions(func(h, _ int) (*engine.Session, error) {
		mu.Lock()
		defer mu.Unlock()
		loads[h]++
		return nil, nil
	})
	get := func(h int) {
		_, release, err := s.get(context.Background(), h, 8)
		if err != nil {
			t.Error(err)
			return
		}
		release()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for h := range maxSessions {
				get(h)
			}
		})
	}
	wg.Wait()
	for h, n := range loads {
		if n != 1 {
			t.Errorf("shape %d was loaded %d times, expected once", h, n)
		}
	}
	for h := range 3 * maxSessions {
		get(100 + h)
	}
	if n := len(s.slots); n != maxSessions {
		t.Errorf("%d sessions are kept, expected %d", n, maxSessions)
	}
	if get(100 + 3*maxSessions - 1); loads[100+3*maxSessions-1] != 1 {
		t.Error("the latest shape was not kept")
	}
	if get(0); loads[0] != 2 {
		t.Error("the shape that was not asked for longest was kept")
	}
}

// Sessions that keep much memory make room for others earlier; the last one always stays.
func TestSessionsAreBoundByMemory(t *testing.T) {
	s := newSessions(func(int, int) (*engine.Session, error) { return nil, nil })
	s.cost = func(h, _ int) int64 { return int64(h) << 20 }
	for _, c := range []struct{ megabytes, kept int }{
		{600, 1}, {700, 2}, {700, 2}, {701, 3}, {100, 3}, {4000, 1}, {1, 1}, {2, 2},
	} {
		_, release, err := s.get(t.Context(), c.megabytes, 8)
		if err != nil {
			t.Fatal(err)
		}
		release()
		if len(s.slots) != c.kept {
			t.Errorf("after one of %d MB: %d sessions are kept, expected %d", c.megabytes, len(s.slots), c.kept)
		}
		if _, ok := s.slots[[2]int{c.megabytes, 8}]; !ok {
			t.Errorf("that of %d MB is not kept", c.megabytes)
		}
	}
}
