package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// A job runs to its end: each picture has one record, in order, and unreadable ones say why.
func TestJob(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	h.dispatcher()
	h.worker("w1", &jobstest.Work{})
	h.worker("w2", &jobstest.Work{})
	names := append(numbered(40), "a.jpg", "missing.jpg", "bad.jpg", "flag.jpg")
	for i := range names[:40] {
		names[i] = strings.Replace(names[i], "-unput", "", 1)
	}
	job := h.submit(h.request(names...))
	st := h.awaitDone(job.ID)
	if want := (schema.Counts{Done: 44, Failed: 2, Flagged: 1}); st.Counts != want {
		t.Errorf("got %+v, expected %+v", st.Counts, want)
	}
	records := h.lines(job.ID)
	if len(records) != len(names) {
		t.Fatalf("got %d records, expected %d", len(records), len(names))
	}
	for i, r := range records {
		if r.Item != i || r.Key != "in/"+names[i] {
			t.Errorf("record %d is that of item %d, %s", i, r.Item, r.Key)
		}
	}
	if e := records[41].Error; e == nil || e.Code != schema.CodeNotFound {
		t.Errorf("a missing picture: got %+v", records[41])
	}
	if !records[43].Flagged || len(records[40].SHA256) != 64 {
		t.Errorf("got %+v and %+v", records[40], records[43])
	}
	filter, err := queue.DoneOfJob(DefaultTenant, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // the state changes before the events go
		if n, err := h.Engine.Depth(context.Background(), filter); err != nil || n == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the events of a job that has ended are kept")
}

// The same key gives the same job, and an interrupted submission is continued.
func TestIdempotent(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	r := h.request("a.jpg", "b.jpg")
	r.Key = "once"
	broken := errors.New("broken")
	r.Items = func(yield func(manifest.Item, error) bool) { yield(manifest.Item{}, broken) }
	if _, _, err := h.Submit(context.Background(), r); !errors.Is(err, broken) {
		t.Fatalf("got %v, expected the input's error", err)
	}
	if list, err := h.List(context.Background(), DefaultTenant); err != nil || len(list) != 0 {
		t.Fatalf("got %v, %v, expected no job", list, err)
	}
	r.Items = items("a.jpg", "b.jpg")
	first, existed, err := h.Submit(context.Background(), r)
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	h.Quota = 2 // which the first job fills
	second, existed, err := h.Submit(context.Background(), r)
	if err != nil || !existed || second.ID != first.ID || second.Items != 2 {
		t.Errorf("got job %s with %d items, existed %v, %v, expected %s again", second.ID, second.Items, existed, err, first.ID)
	}
	h.Quota = 0
	r.Key = "twice"
	if third, existed, err := h.Submit(context.Background(), r); err != nil || existed || third.ID == first.ID {
		t.Errorf("another key: got job %s, existed %v, %v", third.ID, existed, err)
	}
}

func TestSubmitRefuses(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	h.Quota = 3
	for name, change := range map[string]func(*Request){
		"no pictures":    func(r *Request) { r.Items = items() },
		"unknown source": func(r *Request) { r.Source = "outbox" },
		"a way out":      func(r *Request) { r.Items = items("../../etc/passwd") },
		"tenant":         func(r *Request) { r.Tenant = "a/b" },
		"threshold":      func(r *Request) { r.Options.Threshold = 0 },
	} {
		r := h.request("a.jpg")
		change(&r)
		if _, _, err := h.Submit(context.Background(), r); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, expected it to be refused", name, err)
		}
	}
	h.submit(h.request("a.jpg", "b.jpg"))
	var quota *QuotaError
	if _, _, err := h.Submit(context.Background(), h.request("a.jpg", "b.jpg")); !errors.As(err, &quota) || quota.RetryAfter <= 0 {
		t.Errorf("got %v, expected that the quota is exceeded", err)
	}
	h.submit(h.request("a.jpg"))
	var objects []string
	for info := range h.Store.List(context.Background(), "jobs/") {
		objects = append(objects, info.Key)
	}
	if len(objects) != 4 { // manifest and job.json of two jobs
		t.Errorf("refused jobs left objects: %q", objects)
	}
}

// Pages of the list have each job once, the newest first, no other tenant's, and none that was
// removed.
func TestListPages(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	var want []string
	for i := range 8 {
		id := h.submit(h.request("a.jpg")).ID
		if i%3 == 0 { // the first, one in the middle, and one near the end
			if err := errors.Join(h.Cancel(context.Background(), DefaultTenant, id), h.Remove(context.Background(), DefaultTenant, id)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want = append([]string{id}, want...)
		time.Sleep(2 * time.Millisecond) // identifiers of one millisecond are in no order
	}
	other := h.request("a.jpg")
	other.Tenant = "other"
	h.submit(other)
	for limit := range 7 {
		var got []string
		for p, pages := (Page{Limit: limit}), 0; ; pages++ {
			list, next, err := h.ListPage(context.Background(), DefaultTenant, p)
			if err != nil || limit > 0 && len(list) > limit || pages > 5 {
				t.Fatalf("limit %d, page %d: %d jobs, %v", limit, pages, len(list), err)
			}
			for _, st := range list {
				got = append(got, st.ID)
			}
			if p.Cursor = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %q, expected %q", limit, got, want)
		}
	}
	for _, p := range []Page{{Limit: -1}, {Cursor: "a.b"}} {
		if _, _, err := h.ListPage(context.Background(), DefaultTenant, p); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: got %v", p, err)
		}
	}
}

// A damaged progress of a job is reported, and neither its status nor the list fails.
func TestDamagedProgress(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	var log bytes.Buffer
	h.Log = slog.New(slog.NewTextHandler(&log, nil))
	ctx := context.Background()
	damaged, good := h.submit(h.request("a.jpg")).ID, h.submit(h.request("a.jpg")).ID
	leases, err := h.Engine.Bucket(queue.BucketLeases)
	if err != nil {
		t.Fatal(err)
	}
	value, err := schema.Encode(&schema.Progress{V: schema.Version, Job: good, Queued: 7})
	if err != nil {
		t.Fatal(err)
	}
	for id, value := range map[string][]byte{damaged: []byte(`{"v":1,`), good: value} {
		if _, err := leases.Put(ctx, schema.ProgressKey(id), value); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.List(ctx, DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	queued := map[string]int{}
	for _, st := range list {
		queued[st.ID] = st.Queued
	}
	if !maps.Equal(queued, map[string]int{damaged: 0, good: 7}) {
		t.Errorf("the list has the queued batches %v", queued)
	}
	if st, err := h.Status(ctx, DefaultTenant, damaged); err != nil || st.State != schema.Queued {
		t.Errorf("got %+v, %v", st, err)
	}
	if n := strings.Count(log.String(), schema.ProgressKey(damaged)); n != 2 {
		t.Errorf("the damage is reported %d times, expected 2: %s", n, log.String())
	}
}

// Nothing is taken from a paused or cancelled job, and a resumed one ends as if it had not been
// paused.
func TestPauseAndCancel(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	h.dispatcher()
	var mu sync.Mutex
	seen := map[string]int{} // pictures by job
	h.worker("w", &jobstest.Work{Item: 4 * time.Millisecond, Unread: true, Seen: func(j *schema.Job, _ string) {
		mu.Lock()
		defer mu.Unlock()
		seen[j.ID]++
	}})
	count := func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[id]
	}
	ctx := context.Background()
	job := h.submit(h.request(numbered(400)...))
	h.await(job.ID, "under way", func(s Status) bool { return s.Done > 20 })
	if err := h.Pause(ctx, DefaultTenant, job.ID); err != nil {
		t.Fatal(err)
	}
	h.rests(job.ID, count)
	if err := h.Pause(ctx, DefaultTenant, job.ID); !errors.Is(err, ErrState) {
		t.Errorf("paused twice: got %v", err)
	}
	if err := h.Resume(ctx, DefaultTenant, job.ID); err != nil {
		t.Fatal(err)
	}
	if st := h.awaitDone(job.ID); st.Done != 400 || count(job.ID) > 430 {
		t.Errorf("got %d items, %d pictures were worked on", st.Done, count(job.ID))
	}

	other := h.submit(h.request(numbered(4000)...))
	h.await(other.ID, "under way", func(s Status) bool { return s.Done > 20 })
	if err := h.Cancel(ctx, DefaultTenant, other.ID); err != nil {
		t.Fatal(err)
	}
	h.rests(other.ID, count)
	if st, err := h.Status(ctx, DefaultTenant, other.ID); err != nil || st.State != schema.Cancelled {
		t.Errorf("got %+v, %v", st, err)
	}
	if err := h.Remove(ctx, DefaultTenant, other.ID); err != nil {
		t.Fatal(err)
	}
	for info := range h.Store.List(ctx, other.Prefix()) {
		t.Errorf("a removed job left %s", info.Key)
	}
}

// rests checks that a job's pictures are let alone, and that nothing of it is in the queue.
func (h *house) rests(id string, count func(string) int) {
	h.t.Helper()
	// The batches that the worker holds take 80 ms, and longer on a busy machine.
	before := -1
	for began := time.Now(); count(id) != before && time.Since(began) < time.Second; time.Sleep(100 * time.Millisecond) {
		before = count(id)
	}
	before = count(id)
	time.Sleep(200 * time.Millisecond)
	if after := count(id); after != before {
		h.t.Errorf("%d pictures were worked on afterwards", after-before)
	}
	filter, err := queue.WorkOfJob(DefaultTenant, id)
	if err != nil {
		h.t.Fatal(err)
	}
	if n, err := h.Engine.Depth(context.Background(), filter); err != nil || n != 0 {
		h.t.Errorf("%d batches are in the queue, %v", n, err)
	}
}

// A dispatcher that takes over, a queue that was lost, and items that are tried again: each picture
// still has one record.
func TestRebuildAndRetry(t *testing.T) {
	h := newHouse(t, &queue.Memory{})
	stop := h.dispatcher()
	stopWorker := h.worker("w", &jobstest.Work{Item: 8 * time.Millisecond, Unread: true})
	ctx := context.Background()
	names := numbered(300)
	names[7], names[250] = "bad.jpg", "bad2.jpg"
	job := h.submit(h.request(names...))
	h.await(job.ID, "under way", func(s Status) bool { return s.Done > 50 })
	stop()
	stopWorker()
	if err := h.Engine.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Status(ctx, DefaultTenant, job.ID); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v, expected that the queue has forgotten the job", err)
	}
	made, err := h.Rebuild(ctx)
	if err != nil || made.Jobs != 1 || made.Events < 3 {
		t.Fatalf("rebuilt %+v, %v", made, err)
	}
	if again, err := h.Rebuild(ctx); err != nil || again != (Rebuilt{}) {
		t.Errorf("rebuilt twice: %+v, %v", again, err)
	}
	seen := map[string]int{}
	var mu sync.Mutex
	h.dispatcher()
	h.worker("w2", &jobstest.Work{Unread: true, Seen: func(_ *schema.Job, name string) {
		mu.Lock()
		defer mu.Unlock()
		seen[name]++
	}})
	st := h.awaitDone(job.ID)
	if want := (schema.Counts{Done: 300, Failed: 2}); st.Counts != want || len(seen) > 260 {
		t.Errorf("got %+v, %d pictures were worked on again", st.Counts, len(seen))
	}
	clear(seen)
	if n, err := h.Retry(ctx, DefaultTenant, job.ID, false); err != nil || n != 0 {
		t.Errorf("tried %d dead items again, %v, expected none", n, err)
	}
	if n, err := h.Retry(ctx, DefaultTenant, job.ID, true); err != nil || n != 2 {
		t.Fatalf("tried %d items again, %v, expected 2", n, err)
	}
	h.awaitDone(job.ID)
	mu.Lock()
	defer mu.Unlock()
	if seen["in/bad.jpg"] != 1 || seen["in/bad2.jpg"] != 1 || len(seen) > 100 {
		t.Errorf("worked on again: %v", seen)
	}
	if records := h.lines(job.ID); len(records) != 300 {
		t.Errorf("got %d records", len(records))
	}
}

// A picture that kills its worker is given up, and no other. A worker that hangs is like one that
// died: its batch comes back when the wait for it is over.
func TestPoison(t *testing.T) {
	h := newHouse(t, &queue.Memory{AckWait: 300 * time.Millisecond})
	h.dispatcher()
	end := make(chan struct{})
	for i := range 10 {
		h.worker(fmt.Sprint("w", i), &jobstest.Work{Unread: true, Kill: func() { <-end }})
	}
	t.Cleanup(func() { close(end) })
	names := numbered(30)
	names[11] = "poison.jpg"
	h.submit(h.request("a.jpg"))
	job := h.submit(h.request(names...))
	if st := h.awaitDone(job.ID); st.Counts != (schema.Counts{Done: 30, Failed: 1, Dead: 1}) {
		t.Errorf("got %+v, expected one dead item of 30", st.Counts)
	}
	for _, r := range h.lines(job.ID) {
		if (r.Status == schema.StatusDead) != (r.Item == 11) {
			t.Errorf("item %d is %s", r.Item, r.Status)
		}
	}
	filter, err := queue.DeadOfJob(DefaultTenant, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.Engine.Depth(context.Background(), filter); err != nil || n != 1 {
		t.Errorf("%d dead items, %v, expected 1", n, err)
	}
}
