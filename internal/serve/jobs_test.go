package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	jobqueue "github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
)

const jobDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// house is a server with jobs, and what works on them.
type house struct {
	*running
	t    *testing.T
	jobs *jobs.Service
}

// openHouse starts a server with jobs over the source "inbox", which has the given objects.
func openHouse(t *testing.T, change func(*Config), objects ...string) *house {
	t.Helper()
	open := func(o store.Options, dir string) store.Store {
		s, err := store.OpenDir(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	inbox := t.TempDir()
	filled := open(store.Options{}, inbox)
	for _, key := range objects {
		if err := filled.Put(t.Context(), key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
	}
	engine := &jobqueue.Memory{}
	t.Cleanup(func() { engine.Close() })
	h := &house{t: t, jobs: &jobs.Service{
		Engine: engine, Store: open(store.Options{}, t.TempDir()), Log: slog.New(slog.DiscardHandler),
		Sources: map[string]store.Store{"inbox": open(store.Options{ReadOnly: true}, inbox)},
	}}
	c := testConfig()
	c.Jobs = &Jobs{Service: h.jobs, Tenant: jobs.DefaultTenant, Models: map[string]JobModel{"fake": {Digest: jobDigest, Class: jobqueue.CPU}}}
	c.heartbeat = 50 * time.Millisecond
	if change != nil {
		change(&c)
	}
	h.running = start(t, c)
	return h
}

// work dispatches and works on the jobs until the test ends.
func (h *house) work(w worker.Work) {
	h.t.Helper()
	d, err := dispatch.New(dispatch.Config{Engine: h.jobs.Engine, Store: h.jobs.Store, ID: "d", Alone: true, Batch: 3, Log: h.jobs.Log})
	if err != nil {
		h.t.Fatal(err)
	}
	pool, err := jobqueue.PoolName(jobDigest, jobqueue.CPU)
	if err != nil {
		h.t.Fatal(err)
	}
	made, err := worker.New(worker.Config{
		ID: "w", Engine: h.jobs.Engine, Store: h.jobs.Store, Sources: h.jobs.Sources, Work: map[string]worker.Work{pool: w},
		Slots: 1, MaxBytes: 1 << 20, Version: "test", Log: h.jobs.Log,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	group, ctx := parallel.WithContext(context.Background())
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return d.Run(ctx) })
	group.Go(func() error { return made.Run(ctx) })
	h.t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			h.t.Error(err)
		}
	})
}

// submit submits a job, which must be accepted.
func (h *house) submit(body string, headers ...string) submittedBody {
	h.t.Helper()
	a := h.send(body, headers...)
	if a.status != http.StatusAccepted {
		h.t.Fatalf("status %d: %s", a.status, a.body)
	}
	st := decode[submittedBody](h.t, a)
	if at := a.header.Get("Location"); at != "/v1/jobs/"+st.ID {
		h.t.Errorf("Location is %q, job %s", at, st.ID)
	}
	return st
}

func (h *house) send(body string, headers ...string) reply {
	h.t.Helper()
	return h.do(http.MethodPost, "/v1/jobs", strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
}

func (h *house) get(path string, headers ...string) reply {
	h.t.Helper()
	return h.do(http.MethodGet, path, nil, headers...)
}

// await waits until a job has ended.
func (h *house) await(id string) (st jobs.Status) {
	h.t.Helper()
	eventually(h.t, "the job ends", func() bool {
		st = decode[jobs.Status](h.t, h.get("/v1/jobs/"+id))
		return st.State.Over()
	})
	return st
}

// A job is submitted, followed, read and deleted over HTTP.
func TestJobs(t *testing.T) {
	h := openHouse(t, nil, "a.jpg", "b/bad.jpg", "b/flag.jpg", "b/notes.txt")
	if b := decode[modelsBody](t, h.get("/v1/models")); b.Jobs == nil || !slices.Equal(b.Jobs.Sources, []string{"inbox"}) {
		t.Errorf("the models say %+v of jobs", b.Jobs)
	}
	st := h.submit(`{"source": "inbox", "prefix": "", "threshold": 0.4, "priority": "urgent", "maps": "none"}`)
	if want := (schema.Options{Threshold: 0.4, Maps: "none", MaxPixels: 50_000_000}); st.Items != 3 || st.Options != want || st.Priority != "urgent" || st.Model != "fake" {
		t.Errorf("got %+v", st.Status)
	}
	if st.LeftOut != 1 || len(st.LeftOutFirst) != 1 || st.LeftOutFirst[0].Name != "b/notes.txt" {
		t.Errorf("left out %d: %+v", st.LeftOut, st.LeftOutFirst)
	}
	at := "/v1/jobs/" + st.ID
	refused(t, h.get(at+"/results?format=parquet"), http.StatusConflict, codeConflict)
	follow := make(chan reply, 1)
	followed := parallel.Go(func() error {
		a, err := h.try(context.Background(), http.MethodGet, at+"/results?follow=1", nil)
		follow <- a
		return err
	})
	h.work(&jobstest.Work{})
	if end := h.await(st.ID); end.State != schema.Done || end.Counts != (schema.Counts{Done: 3, Failed: 1, Flagged: 1}) {
		t.Errorf("got %+v", end)
	}
	if err := <-followed; err != nil {
		t.Error(err)
	}
	all, rest := h.get(at+"/results"), h.get(at+"/results?after=1")
	lines := strings.SplitAfter(string(all.body), "\n")
	if got := <-follow; string(got.body) != string(all.body) || got.header.Get("Content-Type") != typeStream {
		t.Errorf("with follow=1: %q, %s, without: %q", got.body, got.header, all.body)
	}
	if len(lines) != 4 || string(rest.body) != lines[1]+lines[2] {
		t.Errorf("got %q, and after the first %q", all.body, rest.body)
	}
	var second schema.Fields
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil || second.Key != "b/bad.jpg" || second.Status != schema.StatusError {
		t.Errorf("got %+v, %v", second, err)
	}
	if p := h.get(at + "/results?format=parquet"); p.status != http.StatusOK || !strings.HasPrefix(string(p.body), "PAR1") || p.header.Get("Content-Type") != typeParquet {
		t.Errorf("Parquet: status %d, %.20q", p.status, p.body)
	}
	if list := decode[jobList](t, h.get("/v1/jobs")); len(list.Jobs) != 1 || list.Jobs[0].ID != st.ID {
		t.Errorf("the list is %+v", list)
	}
	if a := h.do(http.MethodDelete, at, nil); a.status != http.StatusNoContent || len(a.body) > 0 {
		t.Errorf("DELETE: status %d, %q", a.status, a.body)
	}
	refused(t, h.get(at), http.StatusNotFound, codeNotFound)
	refused(t, h.get(at+"/events"), http.StatusNotFound, codeNotFound)
}

// Callers name keys in sources of the server. Everything else is refused, and leaves nothing.
func TestJobsRefuse(t *testing.T) {
	h := openHouse(t, nil, "a.jpg", "list.jsonl")
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{"source": "inbox", "items": ["../../etc/passwd"]}`:                         {400, "etc/passwd"},
		`{"source": "inbox", "items": ["/etc/passwd"]}`:                              {400, "etc/passwd"},
		`{"source": "inbox", "items": ["http://127.0.0.1/a.jpg"]}`:                   {400, "127.0.0.1"},
		`{"source": "inbox", "manifest": "../list"}`:                                 {400, "../list"},
		`{"source": "inbox", "manifest": "missing"}`:                                 {400, "missing"},
		`{"source": "inbox", "manifest": "list.jsonl", "prefix": ""}`:                {400, "expected one"},
		`{"source": "inbox", "items": []}`:                                           {400, "no pictures"},
		`{"source": "inbox"}`:                                                        {400, "expected one"},
		`{"source": "local", "prefix": ""}`:                                          {400, "local"},
		`{"source": "file:///etc", "prefix": ""}`:                                    {400, "source"},
		`{"source": "inbox", "prefix": "../"}`:                                       {400, ""},
		`{"source": "inbox", "prefix": "", "threshold": 0}`:                          {400, "threshold"},
		`{"source": "inbox", "prefix": "", "maps": "some"}`:                          {400, "maps"},
		`{"source": "inbox", "prefix": "", "priority": "now"}`:                       {400, "priority"},
		`{"source": "inbox", "prefix": "", "models": "lite"}`:                        {400, "models"},
		`{"source": "inbox", "prefix": "", "model": "other"}`:                        {404, "other"},
		`{"source": "inbox", "prefix": "", "webhook": "https://example.org/"}`:       {400, "webhook"},
		`{"source": "inbox", "prefix": ""} {}`:                                       {400, "behind"},
		`{"source": "inbox", "items": ["` + strings.Repeat("x", maxJobBytes) + `"]}`: {413, "the request has more"},
	} {
		a := h.send(body)
		b := decode[errorBody](t, a)
		if a.status != want.status || !strings.Contains(b.Error.Message, want.text) || strings.Contains(b.Error.Message, h.jobs.Store.URL()) {
			t.Errorf("%.80s: got %d %+v, expected %d with %q", body, a.status, b.Error, want.status, want.text)
		}
	}
	refused(t, h.do(http.MethodPost, "/v1/jobs", strings.NewReader("{}"), "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, codeRequest)
	if list := decode[jobList](t, h.get("/v1/jobs")); len(list.Jobs) != 0 {
		t.Errorf("refused requests left %+v", list)
	}
	for info := range h.jobs.Store.List(t.Context(), "jobs/") {
		t.Errorf("refused requests left %s", info.Key)
	}
	for _, path := range []string{"/v1/jobs/nothing", "/v1/jobs/a.b", "/v1/jobs/*", "/v1/jobs/%3E/results", "/v1/jobs/x/maps/0/prob.png", "/v1/jobs/x/maps/-1/prob.png"} {
		refused(t, h.get(path), http.StatusNotFound, codeNotFound)
	}
	a := h.do(http.MethodPut, "/v1/jobs", nil)
	refused(t, a, http.StatusMethodNotAllowed, codeMethod)
	if allow := a.header.Get("Allow"); allow != "GET, POST" {
		t.Errorf("allowed: %q", allow)
	}
	plain := start(t, testConfig())
	refused(t, plain.do(http.MethodGet, "/v1/jobs", nil), http.StatusNotFound, codeNotFound)
}

// Webhooks are accepted by servers that send them, for addresses that could be called.
// The list of jobs comes in pages, each job once, the newest first. Without a limit it has all.
func TestJobsPages(t *testing.T) {
	h := openHouse(t, nil, "a.jpg")
	var want []string
	for range 7 {
		want = append([]string{h.submit(`{"source": "inbox", "items": ["a.jpg"]}`).ID}, want...)
		time.Sleep(2 * time.Millisecond) // identifiers of one millisecond are in no order
	}
	var got []string
	for path, pages := "/v1/jobs?limit=3", 0; path != ""; pages++ {
		l := decode[jobList](t, h.get(path))
		if pages < 2 != (l.Next != "") || pages > 2 {
			t.Fatalf("page %d has next %q", pages, l.Next)
		}
		for _, j := range l.Jobs {
			got = append(got, j.ID)
		}
		if pages == 0 { // a new job and a removed one shift nothing
			h.submit(`{"source": "inbox", "items": ["a.jpg"]}`)
			if a := h.do(http.MethodDelete, "/v1/jobs/"+want[2], nil); a.status != http.StatusNoContent {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
		}
		path = ""
		if l.Next != "" {
			path = "/v1/jobs?limit=3&cursor=" + l.Next
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
	if l := decode[jobList](t, h.get("/v1/jobs")); len(l.Jobs) != 7 || l.Next != "" {
		t.Errorf("without a limit: %d jobs, next %q", len(l.Jobs), l.Next)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=", "limit=x", "cursor=", "cursor=a.b", "cursor=" + strings.Repeat("A", 65), "offset=1"} {
		if a := h.get("/v1/jobs?" + query); a.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, a.status)
		}
	}
}

func TestJobWebhooks(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.Jobs.Webhooks = true }, "a.jpg")
	h.submit(`{"source": "inbox", "prefix": "", "webhook": "https://example.org/hook"}`)
	for _, address := range []string{"file:///etc/passwd", "example.org", "https://user:word@example.org/", "https://"} {
		refused(t, h.send(fmt.Sprintf(`{"source": "inbox", "prefix": "", "webhook": %q}`, address)), http.StatusBadRequest, codeRequest)
	}
}

// The same Idempotency-Key gives the same job, and never one that was asked for otherwise.
func TestJobsIdempotency(t *testing.T) {
	h := openHouse(t, nil, "a.jpg", "b.jpg")
	body := `{"source": "inbox", "items": ["a.jpg", "b.jpg"]}`
	first := h.submit(body, "Idempotency-Key", "once")
	again := h.send(body, "Idempotency-Key", "once")
	if st := decode[submittedBody](t, again); again.status != http.StatusOK || st.ID != first.ID || st.Items != 2 {
		t.Errorf("got %d %+v, expected job %s", again.status, st, first.ID)
	}
	refused(t, h.send(`{"source": "inbox", "items": ["a.jpg"], "threshold": 0.9}`, "Idempotency-Key", "once"), http.StatusConflict, codeConflict)
	if other := h.submit(body, "Idempotency-Key", "twice"); other.ID == first.ID {
		t.Error("another key gives the same job")
	}
	refused(t, h.send(body, "Idempotency-Key", strings.Repeat("k", maxKeyBytes+1)), http.StatusBadRequest, codeRequest)
}

// Each token sees its own jobs only, within its own quota.
func TestJobTenants(t *testing.T) {
	h := openHouse(t, func(c *Config) {
		c.Token = "token-of-default"
		c.Tenants = []Tenant{{"acme", "token-of-acme"}}
		c.Jobs.Service.Quota = 3
	}, "a.jpg", "b.jpg")
	mine, theirs := []string{"Authorization", "Bearer token-of-default"}, []string{"Authorization", "Bearer token-of-acme"}
	body := `{"source": "inbox", "prefix": ""}`
	refused(t, h.send(body), http.StatusUnauthorized, codeToken)
	refused(t, h.send(body, "Authorization", "Bearer wrong"), http.StatusUnauthorized, codeToken)
	st := h.submit(body, mine...)
	a := h.send(body, mine...)
	refused(t, a, http.StatusTooManyRequests, codeBusy)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	refused(t, h.get("/v1/jobs/"+st.ID, theirs...), http.StatusNotFound, codeNotFound)
	refused(t, h.do(http.MethodDelete, "/v1/jobs/"+st.ID, nil, theirs...), http.StatusNotFound, codeNotFound)
	other := h.submit(body, theirs...)
	for _, who := range []struct {
		token []string
		id    string
	}{{mine, st.ID}, {theirs, other.ID}} {
		if list := decode[jobList](t, h.get("/v1/jobs", who.token...)); len(list.Jobs) != 1 || list.Jobs[0].ID != who.id {
			t.Errorf("got %+v, expected job %s", list.Jobs, who.id)
		}
	}
}

// Jobs are paused, resumed, cancelled and tried again.
func TestJobControl(t *testing.T) {
	h := openHouse(t, nil, "a.jpg", "bad.jpg")
	h.work(&jobstest.Work{})
	st := h.submit(`{"source": "inbox", "items": ["a.jpg", "bad.jpg"]}`)
	at := "/v1/jobs/" + st.ID
	h.await(st.ID)
	refused(t, h.post(at+"/pause", nil), http.StatusConflict, codeConflict)
	refused(t, h.post(at+"/cancel", []byte("x")), http.StatusBadRequest, codeRequest)
	if b := decode[retriedBody](t, h.post(at+"/retry?dead=1", nil)); b.Retried != 0 || b.Job.State != schema.Done {
		t.Errorf("no picture is dead: got %+v", b)
	}
	if b := decode[retriedBody](t, h.post(at+"/retry", nil)); b.Retried != 1 {
		t.Errorf("one picture has no result: got %+v", b)
	}
	h.await(st.ID)

	idle := openHouse(t, nil, "a.jpg")
	st = idle.submit(`{"source": "inbox", "items": ["a.jpg"]}`)
	for _, step := range []struct {
		do    string
		state schema.State
	}{{"pause", schema.Paused}, {"resume", schema.Running}, {"cancel", schema.Cancelled}} {
		a := idle.post("/v1/jobs/"+st.ID+"/"+step.do, nil)
		if got := decode[jobs.Status](t, a); got.State != step.state {
			t.Errorf("after %s: %+v", step.do, got)
		}
	}
}

// A queue that does not answer is a reason to try again, which the client sees.
func TestJobsWithoutAQueue(t *testing.T) {
	h := openHouse(t, nil, "a.jpg")
	s := &Server{config: h.config}
	r := &request{Request: &http.Request{}, log: &accessLog{}}
	for _, cause := range []error{jobqueue.ErrUnavailable, jobqueue.ErrFull, store.ErrUnavailable} {
		p := asProblem(s.jobProblem(r, fmt.Errorf("put: %w", cause)))
		if p.status != http.StatusServiceUnavailable || p.code != codeUnavailable || p.retry <= 0 {
			t.Errorf("%v: got %+v", cause, p)
		}
	}
	if p := asProblem(s.jobProblem(r, jobqueue.ErrDenied)); p.status != http.StatusInternalServerError {
		t.Errorf("missing permissions: got %+v", p)
	}
}
