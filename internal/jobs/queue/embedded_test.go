package queue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustPut(t *testing.T, e Engine, subject string) {
	t.Helper()
	already, err := e.Put(t.Context(), subject, []byte(subject))
	no(t, err)
	if already {
		t.Fatalf("%s is in the queue already", subject)
	}
}

// mustTake takes a message within 10 seconds.
func mustTake(t *testing.T, from Taker) Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := from.Take(ctx)
	no(t, err)
	return l
}

func mustOpen(t *testing.T, e Engine, o TakeOptions) Taker {
	t.Helper()
	from, err := e.Take(t.Context(), o)
	no(t, err)
	t.Cleanup(func() { from.Close() })
	return from
}

// What was put in is there after the process has ended, and the directory is one process's.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	e, err := Start(t.Context(), dir, Hooks{}, testLog(t))
	no(t, err)
	mustPut(t, e, "work.p.bulk.acme.J.0-16")
	mustPut(t, e, "done.acme.J.16-16")
	k, err := e.Bucket(BucketJobs)
	no(t, err)
	revision, err := k.Create(t.Context(), "acme.J", []byte("running"))
	no(t, err)
	if other, err := Start(t.Context(), dir, Hooks{}, nil); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("a second queue in the directory: %v, %v", other, err)
	}
	report := inspect(t, e)
	if !report.Synced || len(report.Streams) != 8 || report.Cluster != "" {
		t.Fatalf("got %+v", report)
	}
	if e.server.(*Server).Addr() != nil {
		t.Fatal("the embedded queue listens")
	}
	no(t, e.Close())
	if _, err := e.Put(t.Context(), "done.acme.J.0-16", nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: got %v, expected %v", err, ErrClosed)
	}

	e = embedded(t, dir)
	no(t, e.Pool(t.Context(), "p", 1))
	if l := mustTake(t, mustOpen(t, e, TakeOptions{Pools: []string{"p"}})); string(l.Body()) != "work.p.bulk.acme.J.0-16" {
		t.Fatalf("got %q", l.Body())
	}
	n, err := e.Depth(t.Context(), "done.acme.J.*")
	no(t, err)
	if n != 1 {
		t.Fatalf("%d events, expected 1", n)
	}
	k, err = e.Bucket(BucketJobs)
	no(t, err)
	if entry, err := k.Get(t.Context(), "acme.J"); err != nil || entry.Revision != revision || string(entry.Value) != "running" {
		t.Fatalf("got %+v, %v", entry, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the directory has mode %v, %v: others may read the queue", info.Mode(), err)
	}
}

// If an answer is lost, the request is sent again: it counts once.
func TestLostAnswers(t *testing.T) {
	e := embedded(t, t.TempDir())
	for name, m := range map[string]*nats.Msg{
		"a batch":  {Subject: "work.p.bulk.acme.J.0-16"},
		"an event": {Subject: "done.acme.J.0-16"},
	} {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Set(jetstream.MsgIDHeader, name)
		first, err := e.js.PublishMsg(t.Context(), m)
		no(t, err)
		again, err := e.js.PublishMsg(t.Context(), m)
		if err != nil || again.Sequence != first.Sequence || !again.Duplicate {
			t.Errorf("%s: the second answer is %+v, %v, expected %+v", name, again, err, first)
		}
	}
}

// heal calls Heal as a dispatcher does, until something was mended, and returns it.
func heal(t *testing.T, e Engine) string {
	t.Helper()
	for range 10 {
		mended, err := e.Heal(t.Context())
		no(t, err)
		if len(mended) > 0 {
			return strings.Join(mended, " ")
		}
	}
	t.Fatal("nothing was mended")
	return ""
}

// A consumer that is ahead of its stream, as a power failure may leave it, delivers nothing until
// it is replaced.
func TestHealsConsumerAhead(t *testing.T) { healsConsumerAhead(t, embedded(t, t.TempDir())) }

func healsConsumerAhead(t *testing.T, e *JetStream) {
	no(t, e.Pool(t.Context(), "ahead", 1))
	mustPut(t, e, "work.ahead.normal.acme.J.0-16")
	no(t, mustTake(t, mustOpen(t, e, TakeOptions{Pools: []string{"ahead"}})).Done(t.Context()))
	no(t, e.api(t.Context(), "CONSUMER.RESET.WORK.ahead-normal", map[string]any{"seq": 1000}, func(response) {}))
	var healed []string
	e.settings.hooks.Healed = func(name string) { healed = append(healed, name) }
	mustPut(t, e, "work.ahead.normal.acme.J.16-16")
	from := mustOpen(t, e, TakeOptions{Pools: []string{"ahead"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if l, err := from.Take(ctx); err == nil {
		t.Fatalf("took %s: the consumer is not stuck, so there is nothing to test", l.Subject())
	}
	if got := heal(t, e); got != "ahead-normal" || len(healed) != 1 {
		t.Fatalf("mended %q, reported %q, expected ahead-normal", got, healed)
	}
	l := mustTake(t, from)
	if !strings.HasSuffix(l.Subject(), ".16-16") {
		t.Fatalf("took %s", l.Subject())
	}
	no(t, l.Done(t.Context()))
	for range 4 {
		if mended, err := e.Heal(t.Context()); err != nil || len(mended) > 0 {
			t.Fatalf("mended %q, %v, expected nothing", mended, err)
		}
	}
}

// A queue in use is not mended, and a stream that is gone is made again with its pools.
func TestHeal(t *testing.T) {
	e := embedded(t, t.TempDir())
	no(t, e.Pool(t.Context(), "p", 1))
	from := mustOpen(t, e, TakeOptions{Pools: []string{"p"}, Prefetch: true})
	for i := range 20 {
		mustPut(t, e, "work.p.bulk.acme.J."+RangeName(i, 1))
		if i%2 == 0 {
			no(t, mustTake(t, from).Done(t.Context()))
		}
		mended, err := e.Heal(t.Context())
		no(t, err)
		if len(mended) > 0 {
			t.Fatalf("mended %q", mended)
		}
	}
	no(t, e.js.DeleteStream(t.Context(), workStream))
	if got := heal(t, e); got != workStream {
		t.Fatalf("mended %q, expected the stream", got)
	}
	// The taker holds one of the old stream, which can be finished without effect.
	no(t, mustTake(t, from).Done(t.Context()))
	mustPut(t, e, "work.p.bulk.acme.J.0-1")
	if l := mustTake(t, from); l.Subject() != "work.p.bulk.acme.J.0-1" {
		t.Fatalf("took %s", l.Subject())
	}
}

// The same for keys that are changed by compare-and-set, where the second answer is a conflict.
func TestLostAnswerOfKey(t *testing.T) {
	e := embedded(t, t.TempDir())
	k, err := e.Bucket(BucketJobs)
	no(t, err)
	lost := 0
	e.settings.lose = func(subject string) bool {
		lost++
		return subject == "$KV.jobs.acme.J" && lost%2 == 1
	}
	first, err := k.Create(t.Context(), "acme.J", []byte("queued"))
	no(t, err)
	second, err := k.Update(t.Context(), "acme.J", []byte("running"), first)
	no(t, err)
	entry, err := k.Get(t.Context(), "acme.J")
	no(t, err)
	if lost != 4 || first != 1 || second != 2 || entry.Revision != 2 || string(entry.Value) != "running" {
		t.Fatalf("after %d answers: revisions %d, %d, entry %+v", lost, first, second, entry)
	}
}

// After a Reset the queue is empty and works; readers of the old stream begin at the new one's
// start.
func TestReset(t *testing.T) {
	e := embedded(t, t.TempDir())
	no(t, e.Pool(t.Context(), "p", 1))
	from := mustOpen(t, e, TakeOptions{Pools: []string{"p"}})
	for i := range 5 {
		mustPut(t, e, "done.acme.J."+RangeName(i, 1))
	}
	open, err := e.Events(t.Context(), "done.>", 0)
	no(t, err)
	defer open.Close()
	for range 5 {
		_, err := open.Next(t.Context())
		no(t, err)
	}
	no(t, e.Reset(t.Context()))
	n, err := e.Depth(t.Context(), "done.>")
	no(t, err)
	if n != 0 {
		t.Fatalf("%d events after a reset", n)
	}
	mustPut(t, e, "done.acme.J.7-1")
	late, err := e.Events(t.Context(), "done.>", 5)
	no(t, err)
	defer late.Close()
	for name, r := range map[string]Reader{"one that was open": open, "one that was opened later": late} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		event, err := r.Next(ctx)
		cancel()
		if err != nil || event.Subject != "done.acme.J.7-1" {
			t.Fatalf("%s: got %+v, %v", name, event, err)
		}
	}
	mustPut(t, e, "work.p.bulk.acme.J.0-1")
	no(t, mustTake(t, from).Done(t.Context()))
}
