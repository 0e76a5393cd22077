package webhook

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

var secret = []byte("a secret of at least 24 bytes")

// receiver answers webhooks.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int // of the next answers; then 200
	got      []*http.Request
	bodies   []string
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	r := &receiver{statuses: statuses}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, q), append(r.bodies, string(body))
		if len(r.statuses) > 0 {
			if r.statuses[0] == http.StatusFound {
				w.Header().Set("Location", "/elsewhere")
			}
			w.WriteHeader(r.statuses[0])
			r.statuses = r.statuses[1:]
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func anywhere(netip.AddrPort) error { return nil }

// run sends the webhooks of a new service until the test ends.
func run(t *testing.T, allow func(netip.AddrPort) error) *jobs.Service {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	service := &jobs.Service{Engine: &queue.Memory{}, Store: dir, Sources: map[string]store.Store{"inbox": dir}, Log: log}
	s := newWith(service, secret, log, allow)
	s.firstDelay, s.earlyDelay = 10*time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := parallel.Go(func() error { return s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		service.Engine.Close()
		dir.Close()
	})
	return service
}

// submit submits a job without workers.
func submit(t *testing.T, s *jobs.Service, webhook string) schema.Job {
	t.Helper()
	job, _, err := s.Submit(t.Context(), jobs.Request{
		Tenant: jobs.DefaultTenant, Source: "inbox", Model: "fake", Digest: strings.Repeat("0123456789abcdef", 4), Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1e8}, Webhook: webhook,
		Items: func(yield func(manifest.Item, error) bool) { yield(manifest.Item{Key: "a.jpg"}, nil) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func cancelJob(t *testing.T, s *jobs.Service, job *schema.Job) {
	t.Helper()
	if err := s.Cancel(t.Context(), job.Tenant, job.ID); err != nil {
		t.Fatal(err)
	}
}

// hooks counts the messages that wait or are worked on.
func hooks(t *testing.T, s *jobs.Service, job *schema.Job) int {
	t.Helper()
	subject, err := queue.Hook{Tenant: job.Tenant, Job: job.ID}.Subject()
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Engine.Depth(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("in vain: %s", what)
}

// The end of a job is reported until the receiver has it, always under the same identifier and with
// a valid signature. Redirects are not followed.
func TestWebhook(t *testing.T) {
	r, s := newReceiver(t, 500, http.StatusFound, 404), run(t, anywhere)
	job := submit(t, s, r.URL+"/hook?token=1")
	cancelJob(t, s, &job)
	eventually(t, "the message is finished", func() bool { return hooks(t, s, &job) == 0 })
	if r.count() != 4 {
		t.Fatalf("%d requests, expected 4", r.count())
	}
	for i, q := range r.got {
		id, timestamp := q.Header.Get(HeaderID), q.Header.Get(HeaderTimestamp)
		if q.Method != http.MethodPost || q.URL.String() != "/hook?token=1" || id != r.got[0].Header.Get(HeaderID) || !strings.HasPrefix(id, job.ID) {
			t.Errorf("%s %s with identifier %q", q.Method, q.URL, id)
		}
		if got := q.Header.Get(HeaderSignature); got != Sign(secret, id, timestamp, []byte(r.bodies[i])) || timestamp == "" {
			t.Errorf("signature %q of %s.%s.%s", got, id, timestamp, r.bodies[i])
		}
	}
	var e Event
	if err := json.Unmarshal([]byte(r.bodies[0]), &e); err != nil || e.Type != "job.cancelled" || e.Data.ID != job.ID || e.Data.State != schema.Cancelled {
		t.Errorf("%v: %s", err, r.bodies[0])
	}
}

// A receiver that answers 410 is left alone, and so is one at an address that is not public.
func TestWebhookGivenUp(t *testing.T) {
	gone, s := newReceiver(t, http.StatusGone), run(t, anywhere)
	job := submit(t, s, gone.URL)
	cancelJob(t, s, &job)
	eventually(t, "the message is finished", func() bool { return hooks(t, s, &job) == 0 })
	if gone.count() != 1 {
		t.Errorf("%d requests after 410, expected 1", gone.count())
	}
	private := newReceiver(t)
	log := slog.New(slog.DiscardHandler)
	if err := New(s, secret, log).post(t.Context(), private.URL, "id", nil); err == nil || private.count() != 0 {
		t.Errorf("got %v and %d requests to a loopback address", err, private.count())
	}
	for _, address := range []string{"file:///etc/passwd", "http://user:word@example.org/", "://", "http://"} {
		if err := newWith(s, secret, log, anywhere).post(t.Context(), address, "id", nil); err == nil {
			t.Errorf("%s is called", address)
		}
	}
}

// A message that comes before its job has ended waits for that. One whose job was resumed or
// deleted is dropped.
func TestWebhookBeforeTheEnd(t *testing.T) {
	r, s := newReceiver(t), run(t, anywhere)
	job := submit(t, s, r.URL)
	if err := dispatch.PutHook(t.Context(), s.Engine, &job); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message of a job that goes on is dropped", func() bool { return hooks(t, s, &job) == 0 })
	if r.count() != 0 {
		t.Fatalf("%d requests about a job that goes on", r.count())
	}
	cancelJob(t, s, &job)
	eventually(t, "the end is reported", func() bool { return r.count() == 1 })
	other := submit(t, s, r.URL)
	other.ID = "DELETED"
	if err := dispatch.PutHook(t.Context(), s.Engine, &other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message of a deleted job is dropped", func() bool { return hooks(t, s, &other) == 0 })
	if r.count() != 1 {
		t.Errorf("%d requests, expected 1", r.count())
	}
}

// All attempts together take about 24 hours.
func TestBackoff(t *testing.T) {
	s := New(nil, secret, nil)
	var whole time.Duration
	for attempt := 1; ; attempt++ {
		delay, last := s.backoff(attempt)
		if last {
			break
		}
		if delay > mostDelay {
			t.Errorf("attempt %d: %v", attempt, delay)
		}
		whole += delay
	}
	if whole < 23*time.Hour || whole > 25*time.Hour {
		t.Errorf("attempts over %v, expected 24 hours", whole)
	}
}

// The example of the specification's reference libraries.
func TestSign(t *testing.T) {
	key, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	for _, bad := range []string{"", "short", "whsec_###", "whsec_c2hvcnQ="} {
		if _, err := ParseSecret(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
