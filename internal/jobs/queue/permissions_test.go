package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/queue/queuetest"
)

// permitted is a server with the documented permissions, with two tenants' jobs on it.
type permitted struct {
	dispatcher      *JetStream
	url             string
	tls             TLSFiles
	worker, trainer string // files of credentials
}

func startPermitted(t *testing.T) *permitted {
	t.Helper()
	a := newAuthority(t)
	p := &permitted{tls: TLSFiles{CA: a.CA()}}
	var users, first string
	users, first, p.worker, p.trainer = exampleUsers(t)
	server := a.files("server")
	server.CA = "" // keys say who connects
	_, p.url = serveTLS(t, ServerOptions{TLS: server, Users: users})
	p.dispatcher = connected(t, ConnectOptions{URL: p.url, TLS: p.tls, Creds: first})
	no(t, p.dispatcher.Setup(t.Context()))
	for _, pool := range []string{"0123456789ab_gpu", "ffffffffffff_gpu", "train_gpu"} {
		no(t, p.dispatcher.Pool(t.Context(), pool, 1))
		mustPut(t, p.dispatcher, "work."+pool+".normal.acme.J.0-16")
	}
	k, err := p.dispatcher.Bucket(BucketJobs)
	no(t, err)
	for _, key := range []string{"acme.J", "other.J"} {
		_, err = k.Create(t.Context(), key, []byte("running"))
		no(t, err)
	}
	return p
}

// join connects a worker.
func (p *permitted) join(t *testing.T, creds, name string, denied func(string)) *JetStream {
	t.Helper()
	return connected(t, ConnectOptions{
		URL: p.url, TLS: p.tls, Creds: creds, Worker: true, InboxPrefix: "_INBOX_" + name, Hooks: Hooks{Denied: denied},
	})
}

// joinUndenied connects a worker that must not be denied anything until the test ends.
func (p *permitted) joinUndenied(t *testing.T, creds, name string) *JetStream {
	t.Helper()
	var mu sync.Mutex
	var denied []string
	t.Cleanup(func() { // after the connection is closed
		mu.Lock()
		defer mu.Unlock()
		if len(denied) > 0 {
			t.Errorf("denied: %q", slices.Compact(denied))
		}
	})
	return p.join(t, creds, name, func(subject string) {
		mu.Lock()
		defer mu.Unlock()
		denied = append(denied, subject)
	})
}

// A worker does its work with the documented permissions, and is denied nothing on the way.
func TestWorkerPermissions(t *testing.T) {
	p := startPermitted(t)
	worker := p.joinUndenied(t, p.worker, "gpu1")
	jobs, err := worker.Bucket(BucketJobs)
	no(t, err)
	cancelled, err := jobs.Watch(t.Context(), "acme.J")
	no(t, err)
	defer cancelled.Close()
	for _, want := range []Kind{Set, Ready} {
		if c, err := cancelled.Next(t.Context()); err != nil || c.Kind != want {
			t.Fatalf("got %+v, %v, expected kind %d", c, err, want)
		}
	}
	from := mustOpen(t, worker, TakeOptions{Pools: []string{"0123456789ab_gpu"}, Prefetch: true})
	l := mustTake(t, from)
	no(t, l.Beat(t.Context()))
	mustPut(t, worker, "work.0123456789ab_gpu.normal.acme.J.0-1")
	mustPut(t, worker, "done.acme.J.0-16")
	mustPut(t, worker, "dead.acme.J.3")
	no(t, l.Done(t.Context()))
	no(t, mustTake(t, from).Term(t.Context()))
	counts(t, worker, BucketTries, "J.3")
	leases, err := worker.Bucket(BucketLeases)
	no(t, err)
	_, err = leases.Put(t.Context(), "worker.gpu1", []byte("alive"))
	no(t, err)
	k, err := p.dispatcher.Bucket(BucketJobs)
	no(t, err)
	_, err = k.Put(t.Context(), "acme.J", []byte("cancelled"))
	no(t, err)
	if c, err := cancelled.Next(t.Context()); err != nil || string(c.Value) != "cancelled" {
		t.Fatalf("got %+v, %v", c, err)
	}
	no(t, from.Close())
}

// counts changes a key by compare-and-set and reads it.
func counts(t *testing.T, e Engine, bucket, key string) {
	t.Helper()
	k, err := e.Bucket(bucket)
	no(t, err)
	if _, err := k.Get(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Fatalf("%s: got %v, expected none", bucket, err)
	}
	revision, err := k.Create(t.Context(), key, []byte("1"))
	no(t, err)
	_, err = k.Update(t.Context(), key, []byte("2"), revision)
	no(t, err)
	if e, err := k.Get(t.Context(), key); err != nil || string(e.Value) != "2" || e.Revision != revision+1 || e.Time.IsZero() {
		t.Fatalf("%s: got %+v, %v", bucket, e, err)
	}
}

// forbidden is a request that has to be denied, and a part of the subject that the error must name.
type forbidden struct {
	do      func(context.Context) error
	subject string
}

// allDenied makes requests that have to be denied.
func allDenied(t *testing.T, list map[string]forbidden) {
	for name, f := range list {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := f.do(ctx); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), f.subject) {
				t.Errorf("got %v, expected that %s is denied", err, f.subject)
			}
		})
	}
}

// everybodyDenied are requests that no worker may make, of whichever kind.
func everybodyDenied(worker *JetStream) map[string]forbidden {
	raw := func(request string, body map[string]any) func(context.Context) error {
		return func(ctx context.Context) error { return worker.api(ctx, request, body, func(response) {}) }
	}
	return map[string]forbidden{
		"purging":                  {func(ctx context.Context) error { _, err := worker.Purge(ctx, "work.>"); return err }, "STREAM.PURGE.WORK"},
		"listing work":             {func(ctx context.Context) error { _, err := worker.Subjects(ctx, "work.>"); return err }, "STREAM.INFO.WORK"},
		"setting up":               {func(ctx context.Context) error { return worker.Setup(ctx) }, "STREAM.INFO"},
		"resetting":                {func(ctx context.Context) error { return worker.Reset(ctx) }, "STREAM.DELETE.WORK"},
		"healing":                  {func(ctx context.Context) error { _, err := worker.Heal(ctx); return err }, "STREAM.INFO"},
		"deleting a stream":        {raw("STREAM.DELETE.DONE", nil), "STREAM.DELETE.DONE"},
		"deleting a bucket":        {raw("STREAM.DELETE.KV_jobs", nil), "STREAM.DELETE.KV_jobs"},
		"deleting runs":            {raw("STREAM.DELETE.KV_runs", nil), "STREAM.DELETE.KV_runs"},
		"purging runs":             {raw("STREAM.PURGE.KV_runs", nil), "STREAM.PURGE.KV_runs"},
		"reading a message":        {raw("STREAM.MSG.GET.WORK", map[string]any{"seq": 1}), "STREAM.MSG.GET.WORK"},
		"deleting a message":       {raw("STREAM.MSG.DELETE.WORK", map[string]any{"seq": 1}), "STREAM.MSG.DELETE.WORK"},
		"deleting a consumer":      {raw("CONSUMER.DELETE.WORK.ffffffffffff_gpu-normal", nil), "CONSUMER.DELETE"},
		"listing streams":          {raw("STREAM.NAMES", nil), "STREAM.NAMES"},
		"a hook":                   {put(worker, "hook.acme.J"), "hook.acme"},
		"taking from another pool": {take(worker, TakeOptions{Pools: []string{"ffffffffffff_gpu"}}), "ffffffffffff_gpu"},
		"taking hooks":             {take(worker, TakeOptions{Hooks: true}), "HOOKS"},
		"another tenant's job":     {get(worker, BucketJobs, "other.J"), "$KV.jobs.other.J"},
		"watching another tenant":  {watch(worker, BucketJobs, "other.>"), "$KV.jobs.other"},
		"watching all tenants":     {watch(worker, BucketJobs, ">"), "$KV.jobs.>"},
		"watching others' leases":  {watch(worker, BucketLeases, ">"), "KV_leases"},
		"changing a job":           {change(worker, BucketJobs, "acme.J"), "$KV.jobs.acme.J"},
		"a dispatcher's lease":     {change(worker, BucketLeases, "dispatch.J"), "$KV.leases.dispatch"},
		"another worker's lease":   {change(worker, BucketLeases, "worker.gpu2"), "$KV.leases.worker.gpu2"},
		"reading events": {func(ctx context.Context) error {
			r, err := worker.Events(ctx, "done.acme.>", 0)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = r.Next(ctx)
			return err
		}, "DONE"},
	}
}

// What a worker has no need of is denied at once, and the error names it.
func TestWorkerDenied(t *testing.T) {
	p := startPermitted(t)
	worker := p.join(t, p.worker, "gpu1", nil)
	allDenied(t, everybodyDenied(worker))
	allDenied(t, map[string]forbidden{
		"making a pool":           {func(ctx context.Context) error { return worker.Pool(ctx, "0123456789ab_gpu", 1) }, "CONSUMER."},
		"work for another pool":   {put(worker, "work.ffffffffffff_gpu.normal.acme.J.1-1"), "work.ffffffffffff_gpu"},
		"another tenant's work":   {put(worker, "work.0123456789ab_gpu.normal.other.J.1-1"), "other"},
		"another tenant's events": {put(worker, "done.other.J.0-16"), "done.other"},
		"another tenant's dead":   {put(worker, "dead.other.J.1"), "dead.other"},
		"taking trainings":        {take(worker, TakeOptions{Pools: []string{"train_gpu"}}), "train_gpu"},
		"reading a training":      {get(worker, BucketRuns, "HASH"), "$KV.runs.HASH"},
		"claiming a training":     {change(worker, BucketRuns, "HASH"), "$KV.runs.HASH"},
	})
}

// A worker that trains does its work with the documented permissions, and is denied nothing on the
// way.
func TestTrainerPermissions(t *testing.T) {
	p := startPermitted(t)
	trainer := p.joinUndenied(t, p.trainer, "trainer1")
	from := mustOpen(t, trainer, TakeOptions{Pools: []string{"train_gpu"}})
	l := mustTake(t, from)
	no(t, l.Beat(t.Context()))
	no(t, l.Drop(t.Context(), 0))
	l = mustTake(t, from)
	counts(t, trainer, BucketRuns, "HASH")
	no(t, l.Done(t.Context()))
	mustPut(t, p.dispatcher, "work.train_gpu.normal.acme.J.1-1")
	no(t, mustTake(t, from).Term(t.Context()))
	leases, err := trainer.Bucket(BucketLeases)
	no(t, err)
	_, err = leases.Put(t.Context(), "worker.trainer1", []byte("alive"))
	no(t, err)
	no(t, from.Close())
}

// A worker that trains may do even less with jobs than one that works on them.
func TestTrainerDenied(t *testing.T) {
	p := startPermitted(t)
	trainer := p.join(t, p.trainer, "trainer1", nil)
	allDenied(t, everybodyDenied(trainer))
	allDenied(t, map[string]forbidden{
		"making a pool":          {func(ctx context.Context) error { return trainer.Pool(ctx, "train_gpu", 1) }, "CONSUMER."},
		"a job":                  {get(trainer, BucketJobs, "acme.J"), "$KV.jobs.acme.J"},
		"watching a job":         {watch(trainer, BucketJobs, "acme.J"), "$KV.jobs.acme.J"},
		"watching trainings":     {watch(trainer, BucketRuns, "*"), "KV_runs"},
		"counting starts":        {change(trainer, BucketTries, "J.3"), "$KV.tries.J.3"},
		"another worker's lease": {change(trainer, BucketLeases, "worker.gpu1"), "$KV.leases.worker.gpu1"},
		"trainings":              {put(trainer, "work.train_gpu.normal.acme.J.1-1"), "work.train_gpu"},
		"work":                   {put(trainer, "work.0123456789ab_gpu.normal.acme.J.1-1"), "work.0123456789ab_gpu"},
		"events":                 {put(trainer, "done.acme.J.0-16"), "done.acme"},
		"dead pictures":          {put(trainer, "dead.acme.J.1"), "dead.acme"},
		"taking pictures":        {take(trainer, TakeOptions{Pools: []string{"0123456789ab_gpu"}}), "0123456789ab_gpu"},
	})
}

// on is a request about a bucket.
func on(e Engine, bucket string, do func(context.Context, Bucket) error) func(context.Context) error {
	return func(ctx context.Context) error {
		k, err := e.Bucket(bucket)
		if err != nil {
			return err
		}
		return do(ctx, k)
	}
}

func get(e Engine, bucket, key string) func(context.Context) error {
	return on(e, bucket, func(ctx context.Context, k Bucket) error { _, err := k.Get(ctx, key); return err })
}

func change(e Engine, bucket, key string) func(context.Context) error {
	return on(e, bucket, func(ctx context.Context, k Bucket) error { _, err := k.Put(ctx, key, nil); return err })
}

func watch(e Engine, bucket, filter string) func(context.Context) error {
	return on(e, bucket, func(ctx context.Context, k Bucket) error {
		w, err := k.Watch(ctx, filter)
		if err != nil {
			return err
		}
		defer w.Close()
		_, err = w.Next(ctx)
		return err
	})
}

func put(e Engine, subject string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := e.Put(ctx, subject, nil)
		return err
	}
}

func take(e Engine, o TakeOptions) func(context.Context) error {
	return func(ctx context.Context) error {
		from, err := e.Take(ctx, o)
		if err != nil {
			return err
		}
		_, err = from.Take(ctx)
		from.Close()
		return err
	}
}

// A worker hears no messages but its own answers, and can work after it has tried to.
func TestWorkerListens(t *testing.T) {
	denied := make(chan string, 10)
	p := startPermitted(t)
	worker := p.join(t, p.worker, "gpu1", func(subject string) { denied <- subject })
	for _, subject := range []string{"done.>", "work.>", "$KV.jobs.>", "_INBOX.>", "_INBOX_gpu2.>", ">"} {
		sub, err := worker.conn.SubscribeSync(subject)
		no(t, err)
		select {
		case got := <-denied:
			if got != subject {
				t.Fatalf("%s is denied, expected %s", got, subject)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s is not denied", subject)
		}
		mustPut(t, p.dispatcher, "done.acme.J.0-16")
		if n, _, err := sub.Pending(); err == nil && n > 0 {
			t.Fatalf("%d messages came from %s", n, subject)
		}
	}
	mustPut(t, worker, "done.acme.J.0-16")
	if r := inspect(t, worker); !r.TLS || len(r.Denied) != 8 {
		t.Errorf("got %+v, expected that all streams are denied", r)
	}
}

// A user that may not listen for answers learns so, instead of waiting for them.
func TestNoAnswers(t *testing.T) {
	a := newAuthority(t)
	users, _, worker, _ := exampleUsers(t)
	server := a.files("server")
	server.CA = ""
	_, url := serveTLS(t, ServerOptions{TLS: server, Users: users})
	e := connected(t, ConnectOptions{URL: url, TLS: TLSFiles{CA: a.CA()}, Creds: worker, Worker: true, InboxPrefix: "_INBOX_other"})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := e.Put(ctx, "done.acme.J.0-16", nil); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "_INBOX_other") {
		t.Fatalf("got %v, expected that the inbox is denied", err)
	}
	_, stranger := queuetest.UserKey(t)
	if err := refused(t, ConnectOptions{URL: url, TLS: TLSFiles{CA: a.CA()}, Creds: stranger}); !errors.Is(err, ErrDenied) {
		t.Fatalf("got %v, expected that a stranger is denied", err)
	}
}
