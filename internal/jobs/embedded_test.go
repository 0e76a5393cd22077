package jobs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// startQueue starts an embedded queue in a directory.
func startQueue(t testing.TB, dir string) *queue.JetStream {
	t.Helper()
	e, err := queue.Start(context.Background(), dir, queue.Hooks{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A job in an embedded queue is paused and resumed, then everything stops and starts again: each
// picture has one record, and nothing waits for the time after which a batch of a dead worker comes
// back.
func TestEmbedded(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, startQueue(t, dir))
	stops := []func(){h.dispatcher(), h.worker("w1", &jobstest.Work{Item: 10 * time.Millisecond, Unread: true}), h.worker("w2", &jobstest.Work{Item: 10 * time.Millisecond, Unread: true})}
	ctx := context.Background()
	job := h.submit(h.request(numbered(300)...))
	h.await(job.ID, "under way", func(s Status) bool { return s.Done > 20 })
	if err := h.Pause(ctx, DefaultTenant, job.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Resume(ctx, DefaultTenant, job.ID); err != nil {
		t.Fatal(err)
	}
	h.await(job.ID, "under way again", func(s Status) bool { return s.Done > 80 })
	began := time.Now()
	for _, stop := range stops {
		stop()
	}
	if err := h.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	h.Engine = startQueue(t, dir)
	t.Cleanup(func() { h.Engine.Close() })
	h.dispatcher()
	h.worker("w3", &jobstest.Work{Unread: true})
	st := h.awaitDone(job.ID)
	if st.Counts != (schema.Counts{Done: 300}) || len(h.lines(job.ID)) != 300 {
		t.Errorf("got %+v and %d records", st.Counts, len(h.lines(job.ID)))
	}
	if took := time.Since(began); took > queue.AckWait/2 {
		t.Errorf("it took %v after the restart", took)
	}
}

// BenchmarkListPage lists the 50 newest of 3,000 jobs.
func BenchmarkListPage(b *testing.B) {
	const jobs, limit = 3000, 50
	ctx := context.Background()
	e := startQueue(b, b.TempDir())
	b.Cleanup(func() { e.Close() })
	bucket, err := e.Bucket(queue.BucketJobs)
	if err != nil {
		b.Fatal(err)
	}
	job := schema.Job{
		V: schema.Version, Tenant: DefaultTenant, State: schema.Done, Items: 1, Source: "inbox", Model: "lite", Digest: digest,
		Class: queue.CPU, Priority: queue.Bulk, Created: time.Now(), Counts: &schema.Counts{Done: 1},
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1},
	}
	for range jobs {
		job.ID = schema.NewID(time.Now())
		value, err := schema.Encode(&job)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bucket.Create(ctx, DefaultTenant+"."+job.ID, value); err != nil {
			b.Fatal(err)
		}
	}
	s := &Service{Engine: e}
	for b.Loop() {
		if list, next, err := s.ListPage(ctx, DefaultTenant, Page{Limit: limit}); err != nil || len(list) != limit || next == "" {
			b.Fatalf("got %d jobs and %q, %v", len(list), next, err)
		}
	}
}
