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
