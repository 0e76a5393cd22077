package browser

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/serve"
)

// withJobs adds jobs to a server's settings, over a source "inbox" with the given objects, and
// works on them until the test ends.
func withJobs(t *testing.T, c *serve.Config, keys ...string) {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if err := dir.Put(t.Context(), "in/"+key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
	}
	log, digest := slog.New(slog.DiscardHandler), strings.Repeat("0123456789abcdef", 4)
	service := &jobs.Service{Engine: &queue.Memory{}, Store: dir, Sources: map[string]store.Store{"inbox": dir}, Log: log}
	c.Jobs = &serve.Jobs{Service: service, Tenant: jobs.DefaultTenant, Models: map[string]serve.JobModel{"spots": {Digest: digest, Class: queue.CPU}}}
	pool, err := queue.PoolName(digest, queue.CPU)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dispatch.New(dispatch.Config{Engine: service.Engine, Store: dir, ID: "d", Alone: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.Config{
		ID: "w", Engine: service.Engine, Store: dir, Sources: service.Sources, Work: map[string]worker.Work{pool: &jobstest.Work{}},
		Slots: 1, MaxBytes: 1 << 20, Version: "test", Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error { return d.Run(ctx) })
	group.Go(func() error { return w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		service.Engine.Close()
		dir.Close()
	})
}

// submitMore submits jobs of one picture.
func submitMore(t *testing.T, server string, n int) {
	t.Helper()
	for range n {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSuffix(server, "/")+"/v1/jobs", strings.NewReader(`{"source": "inbox", "items": ["in/a.jpg"]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
}

// A job is submitted, followed and read on the page, flagged pictures first. The views are
// accessible.
func TestJobsView(t *testing.T) {
	source := axe(t)
	s := startServer(t, configured(func(c *serve.Config) { withJobs(t, c, "a.jpg", "bad.jpg", "flag.jpg", "notes.txt") }))
	b := open(t, s.url, desktop)
	b.until(`!document.getElementById('jobs-link').hidden`)
	b.run(chromedp.Navigate(value[string](b, `document.getElementById('jobs-link').href`)), chromedp.WaitVisible(chromedp.ID("source")))
	b.until(`document.getElementById('source')?.value === 'inbox' && !document.getElementById('none').hidden`)
	b.accessible(source, "no jobs")
	value[bool](b, `document.getElementById('prefix').value = 'in/'; true`)
	b.click("#send")
	b.until(`document.querySelectorAll('#records li').length === 3`)
	names := value[[]string](b, `[...document.querySelectorAll('#records li span:first-child')].map((e) => e.textContent)`)
	if strings.Join(names, " ") != "in/flag.jpg in/bad.jpg in/a.jpg" {
		t.Errorf("the pictures are %q", names)
	}
	if got := value[string](b, `document.getElementById('job-words').textContent`); got != "done, 3 of 3 pictures, 1 flagged, 1 failed" {
		t.Errorf("the job is %q", got)
	}
	if got := value[string](b, `document.getElementById('notices').textContent`); !strings.Contains(got, "in/notes.txt") {
		t.Errorf("the picture that is left out is not named: %q", got)
	}
	if got := value[string](b, `document.querySelector('#records li:nth-child(2) span:nth-child(2)').textContent`); !strings.HasPrefix(got, "error: ") || strings.Contains(got, "in/bad.jpg") {
		t.Errorf("the error next to the name is %q", got)
	}
	if got := value[string](b, `document.querySelector('#list time').dateTime`); !strings.HasPrefix(got, time.Now().UTC().Format("2006-")) {
		t.Errorf("the job has the time %q", got)
	}
	b.accessible(source, "a job that is done")

	// The list comes in pages.
	if !value[bool](b, `document.getElementById('older').hidden && document.querySelectorAll('#list li').length === 1`) {
		t.Error("a list of one job has older ones")
	}
	submitMore(t, s.url, 60)
	b.run(chromedp.Reload())
	b.until(`document.querySelectorAll('#list li').length === 50 && !document.getElementById('older').hidden`)
	b.accessible(source, "a page of jobs")
	b.click("#older")
	b.until(`document.querySelectorAll('#list li').length === 61 && document.getElementById('older').hidden`)

	plain := open(t, startServer(t, testConfig()).url, desktop)
	plain.until(`document.getElementById('model').value === 'spots'`)
	if !value[bool](plain, `document.getElementById('jobs-link').hidden`) {
		t.Error("a server without jobs links to them")
	}
}
