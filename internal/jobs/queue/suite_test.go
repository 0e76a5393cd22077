package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bench is an engine under test. Each test has its own tenant, job and pool.
type bench struct {
	*testing.T
	Engine
	wait, ttl         time.Duration // AckWait, LeaseTTL
	tenant, job, pool string
	cluster           bool // whose servers may be some milliseconds behind each other
}

var benches atomic.Int64

// suite is what every engine has to do.
func suite(t *testing.T, e Engine, wait, ttl time.Duration, cluster bool) {
	for name, test := range map[string]func(*bench){
		"Put": testPut, "Priorities": testPriorities, "Redelivery": testRedelivery, "Finish": testFinish, "Purge": testPurge,
		"LatePool": testLatePool, "NothingHeld": testNothingHeld, "GivenBack": testGivenBack, "Hooks": testHooks, "Counting": testCounting, "Lanes": testLanes,
		"Events": testEvents, "Keys": testKeys, "Watch": testWatch, "Leases": testLeases, "Contexts": testContexts, "Invalid": testInvalid,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			n := benches.Add(1)
			test(&bench{t, e, wait, ttl, fmt.Sprintf("tenant%d", n), fmt.Sprintf("JOB%d", n), fmt.Sprintf("0123456789ab_cpu%d", n), cluster})
		})
	}
}

func (b *bench) no(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is fails unless err wraps want.
func (b *bench) is(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("got error %v, expected %v", err, want)
	}
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	b.Cleanup(cancel)
	return ctx
}

// put puts in a batch, and fails unless it is new.
func (b *bench) put(p Priority, batch string) string {
	b.Helper()
	subject, err := Work{b.pool, p, b.tenant, b.job, batch}.Subject()
	b.no(err)
	already, err := b.Put(b.ctx(), subject, []byte(batch))
	b.no(err)
	if already {
		b.Fatalf("%s is in the queue already", subject)
	}
	return subject
}

func (b *bench) makePool() {
	b.Helper()
	b.no(b.Pool(b.ctx(), b.pool, 2))
}

func (b *bench) taker(prefetch bool) Taker {
	b.Helper()
	t, err := b.Engine.Take(b.ctx(), TakeOptions{Pools: []string{b.pool}, Prefetch: prefetch})
	b.no(err)
	b.Cleanup(func() {
		if err := t.Close(); err != nil {
			b.Error(err)
		}
	})
	return t
}

// take takes the batch with the given name, which was delivered so often, or once more: what a
// worker asked for and no longer wants counts, too.
func (b *bench) take(t Taker, batch string, deliveries int) Lease {
	b.Helper()
	l, err := t.Take(b.ctx())
	b.no(err)
	if string(l.Body()) != batch || !strings.HasSuffix(l.Subject(), "."+batch) || l.Deliveries() < deliveries || l.Deliveries() > deliveries+1 {
		b.Fatalf("took %s with body %q, delivery %d; expected batch %s, delivery %d", l.Subject(), l.Body(), l.Deliveries(), batch, deliveries)
	}
	return l
}

// none fails if there is a message within d.
func (b *bench) none(t Taker, d time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx(), d)
	defer cancel()
	if l, err := t.Take(ctx); err == nil {
		b.Fatalf("took %s, delivery %d, expected none", l.Subject(), l.Deliveries())
	} else if !errors.Is(err, context.DeadlineExceeded) {
		b.Fatal(err)
	}
}

// late takes what was on its way when it was purged, which a cluster may still deliver.
func (b *bench) late(t Taker) {
	b.Helper()
	for began := time.Now(); ; {
		ctx, cancel := context.WithTimeout(b.ctx(), 200*time.Millisecond)
		l, err := t.Take(ctx)
		cancel()
		if err != nil {
			return
		}
		b.no(l.Done(b.ctx()))
		if time.Since(began) > b.wait {
			b.Fatalf("%s is delivered long after it was purged", l.Subject())
		}
	}
}

// depth fails unless the job has, or soon will have, the wanted number of messages.
func (b *bench) depth(want int) {
	b.Helper()
	filter, err := WorkOfJob(b.tenant, b.job)
	b.no(err)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		n, err := b.Depth(b.ctx(), filter)
		b.no(err)
		if n == want {
			return
		}
		if time.Since(began) > 5*time.Second {
			b.Fatalf("%d messages are in the queue, expected %d", n, want)
		}
	}
}

// A work message is put in once. An event replaces the one with its subject.
func testPut(b *bench) {
	subject := b.put(Bulk, "0-16")
	for range 2 {
		already, err := b.Put(b.ctx(), subject, []byte("another"))
		b.no(err)
		if !already {
			b.Fatal("the second Put says that it is the first")
		}
	}
	b.depth(1)
	done, err := Done{b.tenant, b.job, "0-16"}.Subject()
	b.no(err)
	for _, body := range []string{"first", "second"} {
		already, err := b.Put(b.ctx(), done, []byte(body))
		b.no(err)
		if already {
			b.Fatal("an event is refused")
		}
	}
	r, err := b.Events(b.ctx(), done, 0)
	b.no(err)
	defer r.Close()
	e, err := r.Next(b.ctx())
	b.no(err)
	if string(e.Body) != "second" || e.Left != 0 {
		b.Fatalf("got %q and %d more, expected the second event alone", e.Body, e.Left)
	}
}

// Urgent messages go first, with and without prefetching.
func testPriorities(b *bench) {
	b.makePool()
	for _, prefetch := range []bool{false, true} {
		b.depth(0)
		for i, p := range []Priority{Bulk, Normal, Urgent} {
			b.put(p, RangeName(i, 1))
		}
		t := b.taker(prefetch)
		time.Sleep(300 * time.Millisecond) // until one of each is held
		for _, batch := range []string{"2-1", "1-1", "0-1"} {
			b.no(b.take(t, batch, 1).Done(b.ctx()))
		}
	}
	b.depth(0)
}

// A message is delivered again when its worker does not beat, and stays with one that does.
func testRedelivery(b *bench) {
	b.makePool()
	b.put(Normal, "0-16")
	first, second := b.taker(false), b.taker(false)
	l := b.take(first, "0-16", 1)
	stop := time.After(2*b.wait + b.wait/2)
	for beating := true; beating; {
		select {
		case <-stop:
			beating = false
		case <-time.After(b.wait / 4):
			b.no(l.Beat(b.ctx()))
		}
	}
	b.none(second, b.wait/4)
	again := b.take(second, "0-16", 2)
	b.no(again.Done(b.ctx()))
	b.no(l.Done(b.ctx())) // the first worker finishes it, too
	b.depth(0)
}

// What Done, Term and Drop do.
func testFinish(b *bench) {
	b.makePool()
	t := b.taker(false)
	b.put(Normal, "0-16")
	l := b.take(t, "0-16", 1)
	b.no(l.Done(b.ctx()))
	b.no(l.Done(b.ctx()))
	b.depth(0)
	b.put(Normal, "0-16")
	l = b.take(t, "0-16", 1)
	began := time.Now()
	b.no(l.Drop(b.ctx(), 300*time.Millisecond))
	l = b.take(t, "0-16", 2)
	if d := time.Since(began); d < 250*time.Millisecond {
		b.Fatalf("delivered again after %v, expected 300 ms", d)
	}
	b.no(l.Drop(b.ctx(), 0))
	l = b.take(t, "0-16", 3)
	b.no(l.Term(b.ctx()))
	b.depth(0)
	b.none(t, b.wait+b.wait/2)
}

// Pause and resume: what was purged is put in again, and finishing the old message has no effect on
// the new one.
func testPurge(b *bench) {
	b.makePool()
	t := b.taker(false)
	b.put(Normal, "0-16")
	b.put(Normal, "16-16")
	old := b.take(t, "0-16", 1)
	filter, err := WorkOfJob(b.tenant, b.job)
	b.no(err)
	n, err := b.Purge(b.ctx(), filter)
	b.no(err)
	if n != 2 {
		b.Fatalf("purged %d messages, expected 2", n)
	}
	b.depth(0)
	b.late(t)
	b.put(Normal, "0-16")
	b.no(old.Done(b.ctx()))
	b.depth(1)
	b.no(b.take(t, "0-16", 1).Done(b.ctx()))
	b.depth(0)
}

// A taker that is open before its pool exists takes from it later.
func testLatePool(b *bench) {
	t := b.taker(true)
	b.put(Normal, "0-16")
	b.none(t, 100*time.Millisecond)
	b.makePool()
	b.no(b.take(t, "0-16", 1).Done(b.ctx()))
}

// Without prefetching, a worker that is busy holds nothing back.
func testNothingHeld(b *bench) {
	b.makePool()
	busy, idle := b.taker(false), b.taker(false)
	b.put(Normal, "0-16")
	b.no(b.take(busy, "0-16", 1).Done(b.ctx()))
	time.Sleep(b.wait / 2) // until it asks no more
	for i := range 4 {
		b.put(Priorities[i%3], RangeName(16*(i+1), 16))
	}
	for range 4 {
		got, err := idle.Take(b.ctx())
		b.no(err)
		if got.Deliveries() != 1 {
			b.Fatalf("%s was delivered %d times", got.Subject(), got.Deliveries())
		}
		b.no(got.Done(b.ctx()))
	}
	b.depth(0)
}

// A taker that is closed returns what it holds to the queue, at once.
func testGivenBack(b *bench) {
	b.makePool()
	holder, err := b.Engine.Take(b.ctx(), TakeOptions{Pools: []string{b.pool}, Prefetch: true})
	b.no(err)
	b.put(Normal, "0-16")
	time.Sleep(200 * time.Millisecond)
	b.no(holder.Close())
	_, err = holder.Take(b.ctx())
	b.is(err, ErrClosed)
	ctx, cancel := context.WithTimeout(b.ctx(), b.wait/2)
	defer cancel()
	l, err := b.taker(true).Take(ctx)
	b.no(err)
	b.no(l.Done(b.ctx()))
	b.depth(0)
}

func testHooks(b *bench) {
	subject, err := Hook{b.tenant, b.job}.Subject()
	b.no(err)
	t, err := b.Engine.Take(b.ctx(), TakeOptions{Hooks: true})
	b.no(err)
	defer t.Close()
	already, err := b.Put(b.ctx(), subject, []byte("done"))
	b.no(err)
	if already {
		b.Fatal("the hook is in the queue already")
	}
	already, err = b.Put(b.ctx(), subject, []byte("done"))
	b.no(err)
	if !already {
		b.Fatal("the hook is in the queue twice")
	}
	l, err := t.Take(b.ctx())
	b.no(err)
	if h, err := ParseHook(l.Subject()); err != nil || h != (Hook{b.tenant, b.job}) {
		b.Fatalf("got hook %v, %v", h, err)
	}
	b.no(l.Done(b.ctx()))
}
