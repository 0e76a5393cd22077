package queue

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// replacesLeaderless takes the messages of the work away from all servers while they are stopped.
// What the servers have agreed on is newer than their copies then, as it is after power cuts, and
// none becomes the leader until the stream is made again.
func replacesLeaderless(t *testing.T, c *cluster, e *JetStream) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	no(t, e.Pool(ctx, "orphan", 1))
	from := mustOpen(t, e, TakeOptions{Pools: []string{"orphan"}})
	for i := range 20 {
		mustPut(t, e, "work.orphan.normal.acme.J."+RangeName(i, 1))
		no(t, mustTake(t, from).Done(ctx))
	}
	var all sync.WaitGroup
	for i := range c.servers {
		all.Go(func() { c.stop(i) })
	}
	all.Wait()
	for _, o := range c.options {
		found, err := filepath.Glob(filepath.Join(o.Dir, "jetstream", "*", "streams", workStream, "msgs"))
		no(t, err)
		if len(found) != 1 {
			t.Fatalf("messages of %s are in %q", o.Dir, found)
		}
		no(t, os.RemoveAll(found[0]))
	}
	for i := range c.servers {
		c.start(i)
	}
	began := time.Now()
	for {
		replaced, err := e.ReplaceLeaderless(ctx)
		if slices.Contains(replaced, workStream) {
			break
		}
		if sleepErr := parallel.Sleep(ctx, 200*time.Millisecond); sleepErr != nil {
			t.Fatalf("the work is not replaced: %v", err)
		}
	}
	if took := time.Since(began); took < testLeaderless {
		t.Errorf("replaced after %v, expected at least %v", took, testLeaderless)
	}
	if got := heal(t, e); got == "" {
		t.Error("the pools were not made again")
	}
	mustPut(t, e, "work.orphan.normal.acme.J.7-1")
	no(t, mustTake(t, from).Done(ctx))
}
