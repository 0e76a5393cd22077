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

// permitted starts a server with the documented permissions, with two tenants' jobs on it, and
// gives the connections of a dispatcher and of a worker of pool 0123456789ab_gpu for tenant acme.
func permitted(t *testing.T, denied func(string)) (dispatcher, worker *JetStream) {
	a := newAuthority(t)
	users, first, second := exampleUsers(t)
	server := a.files("server")
	server.CA = "" // keys say who connects
	_, url := serveTLS(t, ServerOptions{TLS: server, Users: users})
	tls := TLSFiles{CA: a.CA()}
	dispatcher = connected(t, ConnectOptions{URL: url, TLS: tls, Creds: first})
	no(t, dispatcher.Setup(t.Context()))
	for _, pool := range []string{"0123456789ab_gpu", "ffffffffffff_gpu"} {
		no(t, dispatcher.Pool(t.Context(), pool, 1))
		mustPut(t, dispatcher, "work."+pool+".normal.acme.J.0-16")
	}
	k, err := dispatcher.Bucket(BucketJobs)
	no(t, err)
	for _, key := range []string{"acme.J", "other.J"} {
		_, err = k.Create(t.Context(), key, []byte("running"))
		no(t, err)
	}
	worker = connected(t, ConnectOptions{
		URL: url, TLS: tls, Creds: second, Worker: true, InboxPrefix: "_INBOX_gpu1", Hooks: Hooks{Denied: denied},
	})
	return dispatcher, worker
}

// A worker does its work with the documented permissions, and is denied nothing on the way.
func TestWorkerPermissions(t *testing.T) {
	var mu sync.Mutex
	var denied []string
	dispatcher, worker := permitted(t, func(subject string) {
		mu.Lock()
		defer mu.Unlock()
		denied = append(denied, subject)
	})
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
	for name, key := range map[string]string{BucketTries: "J.3", BucketRuns: "HASH"} {
		k, err := worker.Bucket(name)
		no(t, err)
		if _, err := k.Get(t.Context(), key); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%s: got %v, expected none", name, err)
		}
		revision, err := k.Create(t.Context(), key, []byte("1"))
		no(t, err)
		_, err = k.Update(t.Context(), key, []byte("2"), revision)
		no(t, err)
		if e, err := k.Get(t.Context(), key); err != nil || string(e.Value) != "2" || e.Revision != revision+1 || e.Time.IsZero() {
			t.Fatalf("%s: got %+v, %v", name, e, err)
		}
	}
	leases, err := worker.Bucket(BucketLeases)
	no(t, err)
	_, err = leases.Put(t.Context(), "worker.gpu1", []byte("alive"))
	no(t, err)
	k, err := dispatcher.Bucket(BucketJobs)
	no(t, err)
	_, err = k.Put(t.Context(), "acme.J", []byte("cancelled"))
	no(t, err)
	if c, err := cancelled.Next(t.Context()); err != nil || string(c.Value) != "cancelled" {
		t.Fatalf("got %+v, %v", c, err)
	}
	no(t, from.Close())
	mu.Lock()
	defer mu.Unlock()
	if len(denied) > 0 {
		t.Fatalf("denied: %q", slices.Compact(denied))
	}
}

// What a worker has no need of is denied at once, and the error names it.
func TestWorkerDenied(t *testing.T) {
	_, worker := permitted(t, nil)
	jobs, err := worker.Bucket(BucketJobs)
	no(t, err)
	leases, err := worker.Bucket(BucketLeases)
	no(t, err)
	watch := func(ctx context.Context, k Bucket, filter string) error {
		w, err := k.Watch(ctx, filter)
		if err != nil {
			return err
		}
		defer w.Close()
		_, err = w.Next(ctx)
		return err
	}
	raw := func(request string, body map[string]any) func(context.Context) error {
		return func(ctx context.Context) error { return worker.api(ctx, request, body, func(response) {}) }
	}
	for name, c := range map[string]struct {
		do      func(context.Context) error
		subject string
	}{
		"purging":                  {func(ctx context.Context) error { _, err := worker.Purge(ctx, "work.>"); return err }, "STREAM.PURGE.WORK"},
		"listing work":             {func(ctx context.Context) error { _, err := worker.Subjects(ctx, "work.>"); return err }, "STREAM.INFO.WORK"},
		"making a pool":            {func(ctx context.Context) error { return worker.Pool(ctx, "0123456789ab_gpu", 1) }, "CONSUMER."},
		"setting up":               {func(ctx context.Context) error { return worker.Setup(ctx) }, "STREAM.INFO"},
		"resetting":                {func(ctx context.Context) error { return worker.Reset(ctx) }, "STREAM.DELETE.WORK"},
		"healing":                  {func(ctx context.Context) error { _, err := worker.Heal(ctx); return err }, "STREAM.INFO"},
		"deleting a stream":        {raw("STREAM.DELETE.DONE", nil), "STREAM.DELETE.DONE"},
		"deleting a bucket":        {raw("STREAM.DELETE.KV_jobs", nil), "STREAM.DELETE.KV_jobs"},
		"reading a message":        {raw("STREAM.MSG.GET.WORK", map[string]any{"seq": 1}), "STREAM.MSG.GET.WORK"},
		"deleting a message":       {raw("STREAM.MSG.DELETE.WORK", map[string]any{"seq": 1}), "STREAM.MSG.DELETE.WORK"},
		"deleting a consumer":      {raw("CONSUMER.DELETE.WORK.ffffffffffff_gpu-normal", nil), "CONSUMER.DELETE"},
		"listing streams":          {raw("STREAM.NAMES", nil), "STREAM.NAMES"},
		"work for another pool":    {put(worker, "work.ffffffffffff_gpu.normal.acme.J.1-1"), "work.ffffffffffff_gpu"},
		"another tenant's work":    {put(worker, "work.0123456789ab_gpu.normal.other.J.1-1"), "other"},
		"another tenant's events":  {put(worker, "done.other.J.0-16"), "done.other"},
		"another tenant's dead":    {put(worker, "dead.other.J.1"), "dead.other"},
		"a hook":                   {put(worker, "hook.acme.J"), "hook.acme"},
		"another tenant's job":     {func(ctx context.Context) error { _, err := jobs.Get(ctx, "other.J"); return err }, "$KV.jobs.other.J"},
		"watching another tenant":  {func(ctx context.Context) error { return watch(ctx, jobs, "other.>") }, "$KV.jobs.other"},
		"watching all tenants":     {func(ctx context.Context) error { return watch(ctx, jobs, ">") }, "$KV.jobs.>"},
		"changing a job":           {func(ctx context.Context) error { _, err := jobs.Put(ctx, "acme.J", nil); return err }, "$KV.jobs.acme.J"},
		"a dispatcher's lease":     {func(ctx context.Context) error { _, err := leases.Put(ctx, "dispatch.J", nil); return err }, "$KV.leases.dispatch"},
		"another worker's lease":   {func(ctx context.Context) error { _, err := leases.Put(ctx, "worker.gpu2", nil); return err }, "$KV.leases.worker.gpu2"},
		"watching others' leases":  {func(ctx context.Context) error { return watch(ctx, leases, ">") }, "KV_leases"},
		"taking from another pool": {take(worker, TakeOptions{Pools: []string{"ffffffffffff_gpu"}}), "ffffffffffff_gpu"},
		"taking hooks":             {take(worker, TakeOptions{Hooks: true}), "HOOKS"},
		"reading events": {func(ctx context.Context) error {
			r, err := worker.Events(ctx, "done.acme.>", 0)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = r.Next(ctx)
			return err
		}, "DONE"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := c.do(ctx); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), c.subject) {
				t.Errorf("got %v, expected that %s is denied", err, c.subject)
			}
		})
	}
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
	dispatcher, worker := permitted(t, func(subject string) { denied <- subject })
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
		mustPut(t, dispatcher, "done.acme.J.0-16")
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
	users, _, worker := exampleUsers(t)
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
