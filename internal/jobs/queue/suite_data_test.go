package queue

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// Depth, Subjects and Oldest.
func testCounting(b *bench) {
	before := time.Now().Add(-time.Minute)
	want := []string{b.put(Normal, "0-16"), b.put(Bulk, "16-16")}
	filter, err := WorkOfPool(b.pool, "")
	b.no(err)
	got, err := b.Subjects(b.ctx(), filter)
	b.no(err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.Fatalf("got subjects %q, expected %q", got, want)
	}
	at, ok, err := b.Oldest(b.ctx(), filter)
	b.no(err)
	if !ok || at.Before(before) || at.After(time.Now().Add(time.Minute)) {
		b.Fatalf("the oldest message is of %v, %v", at, ok)
	}
	filter, err = WorkOfPool(b.pool, Bulk)
	b.no(err)
	n, err := b.Depth(b.ctx(), filter)
	b.no(err)
	if n != 1 {
		b.Fatalf("%d bulk messages, expected 1", n)
	}
	filter, err = WorkOfPool(b.pool, Urgent)
	b.no(err)
	if _, ok, err := b.Oldest(b.ctx(), filter); err != nil || ok {
		b.Fatalf("there is an oldest urgent message: %v, %v", ok, err)
	}
	if got, err := b.Subjects(b.ctx(), filter); err != nil || len(got) != 0 {
		b.Fatalf("got subjects %q, %v, expected none", got, err)
	}
}

// lane waits until the pool's messages of a priority are as wanted.
func (b *bench) lane(want Lane) {
	b.Helper()
	want.Pool = b.pool
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		list, err := b.Lanes(b.ctx())
		b.no(err)
		i := slices.IndexFunc(list, func(l Lane) bool { return l.Pool == b.pool && l.Priority == want.Priority })
		if i >= 0 && list[i] == want {
			return
		}
		if time.Since(began) > 10*time.Second {
			b.Fatalf("got lanes %+v, expected %+v", list, want)
		}
	}
}

// The messages of a lane wait, are worked on, and are gone.
func testLanes(b *bench) {
	b.makePool()
	b.put(Normal, "0-16")
	b.put(Normal, "16-16")
	b.put(Bulk, "32-16")
	b.lane(Lane{Priority: Normal, Waiting: 2})
	b.lane(Lane{Priority: Bulk, Waiting: 1})
	b.lane(Lane{Priority: Urgent})
	t := b.taker(false)
	first, second := b.take(t, "0-16", 1), b.take(t, "16-16", 1)
	b.lane(Lane{Priority: Normal, Working: 2})
	b.no(first.Done(b.ctx()))
	b.no(second.Drop(b.ctx(), 0))
	again := b.take(t, "16-16", 2)
	b.lane(Lane{Priority: Normal, Working: 1, Redelivered: 1})
	b.no(again.Done(b.ctx()))
	b.lane(Lane{Priority: Normal})
	b.lane(Lane{Priority: Bulk, Waiting: 1})
}

// A reader gets what there is, then what comes, from any number on.
func testEvents(b *bench) {
	filter, err := DoneOfJob(b.tenant, b.job)
	b.no(err)
	put := func(i int) {
		subject, err := Done{b.tenant, b.job, RangeName(i, 1)}.Subject()
		b.no(err)
		_, err = b.Put(b.ctx(), subject, []byte(RangeName(i, 1)))
		b.no(err)
	}
	for i := range 3 {
		put(i)
	}
	r, err := b.Events(b.ctx(), filter, 0)
	b.no(err)
	var events []Event
	for i := range 5 {
		if i >= 3 {
			put(i)
		}
		e, err := r.Next(b.ctx())
		b.no(err)
		if d, err := ParseDone(e.Subject); err != nil || d.Batch != RangeName(i, 1) || string(e.Body) != d.Batch {
			b.Fatalf("event %d is %s with %q", i, e.Subject, e.Body)
		}
		if want := uint64(max(0, 2-i)); e.Left > want || e.Left < want && !b.cluster {
			b.Fatalf("event %d: %d left, expected %d", i, e.Left, want)
		}
		if i > 0 && e.Seq <= events[i-1].Seq {
			b.Fatalf("event %d has number %d behind %d", i, e.Seq, events[i-1].Seq)
		}
		events = append(events, e)
	}
	b.no(r.Close())
	_, err = r.Next(b.ctx())
	b.is(err, ErrClosed)
	r, err = b.Events(b.ctx(), filter, events[3].Seq)
	b.no(err)
	defer r.Close()
	e, err := r.Next(b.ctx())
	b.no(err)
	if e.Seq != events[4].Seq {
		b.Fatalf("got number %d, expected %d", e.Seq, events[4].Seq)
	}
}

func (b *bench) bucket(name string) Bucket {
	b.Helper()
	k, err := b.Bucket(name)
	b.no(err)
	return k
}

func testKeys(b *bench) {
	k, key := b.bucket(BucketJobs), b.tenant+"."+b.job
	_, err := k.Get(b.ctx(), key)
	b.is(err, ErrNotFound)
	b.no(k.Delete(b.ctx(), key, 0))
	first, err := k.Create(b.ctx(), key, []byte("queued"))
	b.no(err)
	_, err = k.Create(b.ctx(), key, []byte("again"))
	b.is(err, ErrExists)
	second, err := k.Update(b.ctx(), key, []byte("running"), first)
	b.no(err)
	_, err = k.Update(b.ctx(), key, []byte("paused"), first)
	b.is(err, ErrConflict)
	_, err = k.Update(b.ctx(), key+"x", []byte("paused"), first)
	b.is(err, ErrConflict)
	e, err := k.Get(b.ctx(), key)
	b.no(err)
	if e.Key != key || string(e.Value) != "running" || e.Revision != second || time.Since(e.Time).Abs() > time.Minute {
		b.Fatalf("got %+v", e)
	}
	b.is(k.Delete(b.ctx(), key, first), ErrConflict)
	b.no(k.Delete(b.ctx(), key, second))
	_, err = k.Get(b.ctx(), key)
	b.is(err, ErrNotFound)
	third, err := k.Create(b.ctx(), key, []byte("again"))
	b.no(err)
	if third <= second {
		b.Fatalf("revision %d comes behind %d", third, second)
	}
	fourth, err := k.Put(b.ctx(), key, nil)
	b.no(err)
	var list []Entry
	for began := time.Now(); len(list) == 0 || list[0].Revision != fourth; {
		list, err = k.List(b.ctx(), b.tenant+".*")
		b.no(err)
		if !b.cluster || time.Since(began) > 5*time.Second {
			break
		}
	}
	if len(list) != 1 || list[0].Key != key || len(list[0].Value) != 0 || list[0].Revision != fourth {
		b.Fatalf("got %+v", list)
	}
	_, err = k.Create(b.ctx(), key+"2", []byte("running"))
	b.no(err)
	names, err := k.Keys(b.ctx(), b.tenant+".*")
	b.no(err)
	if slices.Sort(names); !slices.Equal(names, []string{key, key + "2"}) {
		b.Fatalf("got keys %q", names)
	}
	list, err = k.List(b.ctx(), b.tenant+"x.*")
	b.no(err)
	names, err = k.Keys(b.ctx(), b.tenant+"x.*")
	b.no(err)
	if len(list) != 0 || len(names) != 0 {
		b.Fatalf("got %+v and %q, expected none", list, names)
	}
}

// next gives the next change, and fails unless it is of the kind.
func (b *bench) next(w Watcher, kind Kind, value string) Change {
	b.Helper()
	c, err := w.Next(b.ctx())
	b.no(err)
	if c.Kind != kind || string(c.Value) != value {
		b.Fatalf("got change %d of %q to %q, expected %d to %q", c.Kind, c.Key, c.Value, kind, value)
	}
	return c
}

// A watcher gets what there is, Ready, and what comes.
func testWatch(b *bench) {
	k, key := b.bucket(BucketJobs), b.tenant+"."+b.job
	empty, err := k.Watch(b.ctx(), b.tenant+".*")
	b.no(err)
	defer empty.Close()
	b.next(empty, Ready, "")
	revision, err := k.Create(b.ctx(), key, []byte("1"))
	b.no(err)
	b.next(empty, Set, "1")
	revision, err = k.Update(b.ctx(), key, []byte("2"), revision)
	b.no(err)
	b.next(empty, Set, "2")
	_, err = k.Put(b.ctx(), key+"gone", []byte("x"))
	b.no(err)
	b.no(k.Delete(b.ctx(), key+"gone", 0))
	b.next(empty, Set, "x")
	b.next(empty, Deleted, "")
	if b.cluster {
		time.Sleep(time.Second) // until all servers know
	}

	w, err := k.Watch(b.ctx(), b.tenant+".>")
	b.no(err)
	b.next(w, Set, "2")
	b.next(w, Ready, "")
	b.no(k.Delete(b.ctx(), key, revision))
	if c := b.next(w, Deleted, ""); c.Key != key {
		b.Fatalf("%q was deleted, expected %q", c.Key, key)
	}
	b.no(w.Close())
	_, err = w.Next(b.ctx())
	b.is(err, ErrClosed)
}

// An entry of the leases that is not renewed goes, and can be created again.
func testLeases(b *bench) {
	k := b.bucket(BucketLeases)
	key, err := DispatchKey(b.job)
	b.no(err)
	revision, err := k.Create(b.ctx(), key, []byte("a"))
	b.no(err)
	for range 4 {
		time.Sleep(b.ttl / 2)
		revision, err = k.Update(b.ctx(), key, []byte("a"), revision)
		b.no(err)
	}
	_, err = k.Create(b.ctx(), key, []byte("b"))
	b.is(err, ErrExists)
	w, err := k.Watch(b.ctx(), key)
	b.no(err)
	defer w.Close()
	b.next(w, Set, "a")
	// A server of a cluster may be some updates behind, and gives them before or after Ready.
	var kinds []Kind
	for !slices.Contains(kinds, Deleted) {
		c, err := w.Next(b.ctx())
		b.no(err)
		if c.Kind != Set || string(c.Value) != "a" {
			kinds = append(kinds, c.Kind)
		}
	}
	if !slices.Equal(kinds, []Kind{Ready, Deleted}) {
		b.Fatalf("got changes %d besides updates, expected %d", kinds, []Kind{Ready, Deleted})
	}
	_, err = k.Create(b.ctx(), key, []byte("b"))
	b.no(err)
}

// What waits ends with its context, with its cause.
func testContexts(b *bench) {
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(b.ctx())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	b.makePool()
	_, err := b.taker(false).Take(ctx)
	b.is(err, cause)
	r, err := b.Events(b.ctx(), "done."+b.tenant+".>", 0)
	b.no(err)
	defer r.Close()
	_, err = r.Next(ctx)
	b.is(err, cause)
	w, err := b.bucket(BucketRuns).Watch(b.ctx(), b.tenant)
	b.no(err)
	defer w.Close()
	b.next(w, Ready, "")
	_, err = w.Next(ctx)
	b.is(err, cause)
	_, err = b.Put(ctx, "done.a.b.1-1", nil)
	b.is(err, cause)
}

// Malformed names are refused before anything is asked for.
func testInvalid(b *bench) {
	for _, subject := range []string{"", "work", "work.a", "other.a.b.c", "done.a.b", "done.a.*.c", "done.a..c", "done.a.b c.d", "dead.a.b.x", "dead.a.b.-1"} {
		_, err := b.Put(b.ctx(), subject, nil)
		b.is(err, ErrInvalid)
	}
	_, err := b.Put(b.ctx(), "done.a.b.c", bytes.Repeat([]byte("x"), MaxBody+1))
	b.is(err, ErrInvalid)
	_, err = b.Put(b.ctx(), "done.a.b.c", bytes.Repeat([]byte("x"), MaxBody))
	b.no(err)
	for _, filter := range []string{"", ">", "*.a", "done", "done.>.a", "done.a*"} {
		_, err := b.Depth(b.ctx(), filter)
		b.is(err, ErrInvalid)
		_, err = b.Purge(b.ctx(), filter)
		b.is(err, ErrInvalid)
		_, err = b.Events(b.ctx(), filter, 0)
		b.is(err, ErrInvalid)
	}
	for _, o := range []TakeOptions{{}, {Pools: []string{"a"}, Hooks: true}, {Pools: []string{"a.b"}}} {
		_, err := b.Engine.Take(b.ctx(), o)
		b.is(err, ErrInvalid)
	}
	b.is(b.Pool(b.ctx(), "a b", 1), ErrInvalid)
	_, err = b.Bucket("other")
	b.is(err, ErrNotFound)
	k := b.bucket(BucketJobs)
	for _, key := range []string{"", "a.", "a..b", "a b", "*", "a.>"} {
		_, err := k.Get(b.ctx(), key)
		b.is(err, ErrInvalid)
		_, err = k.Put(b.ctx(), key, nil)
		b.is(err, ErrInvalid)
	}
}
