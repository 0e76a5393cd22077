// Command jobload measures what jobs cost without a model.
//
// An embedded queue, a dispatcher and workers run in one process, with a fake model that sleeps.
// It prints the times from submitting to the first picture and to the end, the gap between two
// batches of a worker in percent of the work, how long a status takes meanwhile, and the peak of
// the process's memory.
//
//	go run ./tools/jobload -items 1000000                        # memory, status, cost of an item
//	go run ./tools/jobload -items 5120 -picture 5ms -batch 512   # overhead; -most 1 fails over 1 %
//	go run ./tools/jobload -items 4000 -picture 20ms -workers 8  # scaling: compare with -workers 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/tools/memory"
)

type options struct {
	items, workers, batch int
	picture               time.Duration
	dir                   string
	most                  float64
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("jobload: ")
	var o options
	flag.IntVar(&o.items, "items", 1_000_000, "pictures of the job")
	flag.IntVar(&o.workers, "workers", 2, "workers, with one slot each")
	flag.IntVar(&o.batch, "batch", 0, "pictures of a batch (default: about four seconds of work)")
	flag.DurationVar(&o.picture, "picture", 0, "how long the fake model takes for a picture")
	flag.StringVar(&o.dir, "dir", "", "directory for everything (default: a temporary one, removed at the end)")
	flag.Float64Var(&o.most, "most", 0, "fail if the gap between batches is more than this percentage of the work; 0: never")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "jobload-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	engine, err := queue.Start(ctx, filepath.Join(o.dir, "queue"), queue.Hooks{}, quiet)
	if err != nil {
		return err
	}
	defer engine.Close()
	results, err := store.OpenDir(filepath.Join(o.dir, "store"), store.Options{})
	if err != nil {
		return err
	}
	defer results.Close()
	s := &jobs.Service{Engine: engine, Store: results, Sources: map[string]store.Store{"inbox": results}, Log: quiet}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	group, ctx := parallel.WithContext(ctx)
	d, err := dispatch.New(dispatch.Config{Engine: engine, Store: results, ID: "d", Alone: true, Batch: o.batch, Log: quiet})
	if err != nil {
		return err
	}
	group.Go(func() error { return d.Run(ctx) })
	gaps := &gaps{}
	for i := range o.workers {
		w, err := newWorker(s, fmt.Sprint("w", i), &timed{work: &jobstest.Work{Item: o.picture, Unread: true}, gaps: gaps}, quiet)
		if err != nil {
			return err
		}
		group.Go(func() error { return w.Run(ctx) })
	}
	group.Go(func() error {
		defer end(errOver)
		return measure(ctx, o, s, gaps)
	})
	if err := group.Wait(); !errors.Is(err, errOver) {
		return err
	}
	if o.most > 0 && gaps.percent() > o.most {
		return fmt.Errorf("the gap between batches is %.2f %% of the work, expected at most %g %%", gaps.percent(), o.most)
	}
	return nil
}

// errOver ends the dispatcher and the workers.
var errOver = errors.New("the job is over")

var digest = strings.Repeat("0123456789abcdef", 4)

func newWorker(s *jobs.Service, id string, work worker.Work, logger *slog.Logger) (*worker.Worker, error) {
	pool, err := queue.PoolName(digest, queue.CPU)
	if err != nil {
		return nil, err
	}
	return worker.New(worker.Config{
		ID: id, Engine: s.Engine, Store: s.Store, Sources: s.Sources, Work: map[string]worker.Work{pool: work},
		Slots: 1, MaxBytes: 1 << 20, Version: "jobload", Log: logger,
	})
}

// measure submits a job and watches it to its end.
func measure(ctx context.Context, o options, s *jobs.Service, g *gaps) error {
	time.Sleep(3 * time.Second) // until the dispatcher knows the workers, and they wait
	began := time.Now()
	job, _, err := s.Submit(ctx, jobs.Request{
		Tenant: jobs.DefaultTenant, Source: "inbox", Model: "fake", Digest: digest, Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1}, Items: numbered(o.items),
	})
	if err != nil {
		return err
	}
	submitted := time.Now()
	var took []time.Duration // for a status
	var complete time.Time
	for {
		start := time.Now()
		st, err := s.Status(ctx, jobs.DefaultTenant, job.ID)
		if err != nil {
			return err
		}
		took = append(took, time.Since(start))
		if st.Done == o.items && complete.IsZero() {
			complete = time.Now()
		}
		if st.State.Over() {
			if st.State != schema.Done || st.Done != o.items {
				return fmt.Errorf("the job ended as %+v", st)
			}
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	whole := time.Since(submitted)
	slices.Sort(took)
	log.Printf("%d pictures, %d workers, %v each: submitted in %v, first picture after %v, done in %v, of which %v merging",
		o.items, o.workers, o.picture, submitted.Sub(began).Round(time.Millisecond), g.first().Sub(submitted).Round(time.Millisecond),
		whole.Round(time.Millisecond), time.Since(complete).Round(time.Millisecond))
	log.Printf("%.1f pictures/s, %.1f us a picture in all", float64(o.items)/whole.Seconds(), float64(time.Since(began).Microseconds())/float64(o.items))
	log.Printf("%d batches, gap between them %v on average, %v at the median, %v at most: %.2f %% of the work",
		g.count(), g.mean().Round(time.Microsecond), g.median().Round(time.Microsecond), g.longest().Round(time.Microsecond), g.percent())
	log.Printf("status: %v at the median, %v at 99 %%, %v at most", took[len(took)/2].Round(time.Microsecond),
		took[len(took)*99/100].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond))
	log.Printf("peak memory: %s", peak())
	return nil
}

func numbered(n int) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		for i := range n {
			if !yield(manifest.Item{Key: fmt.Sprintf("2026/11/30/%08d.jpg", i)}, nil) {
				return
			}
		}
	}
}

// peak is the peak of the process's memory.
func peak() string {
	if bytes := memory.Own(); bytes > 0 {
		return fmt.Sprintf("%d kB", bytes>>10)
	}
	return "unknown"
}

// timed measures the gaps between the batches of a worker.
type timed struct {
	work worker.Work
	gaps *gaps
	last time.Time // when the last batch ended
}

// Do implements worker.Work.
func (t *timed) Do(ctx context.Context, job *schema.Job, pictures []worker.Picture, emit func(worker.Outcome) error) error {
	start := time.Now()
	err := t.work.Do(ctx, job, pictures, emit)
	t.gaps.add(t.last, start, time.Now())
	t.last = time.Now()
	return err
}

// gaps are the times in which workers have no batch, between batches.
type gaps struct {
	mu    sync.Mutex
	begin time.Time // of the first batch
	list  []time.Duration
	work  time.Duration
}

func (g *gaps) add(last, start, end time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begin.IsZero() {
		g.begin = start
	}
	g.work += end.Sub(start)
	if !last.IsZero() {
		g.list = append(g.list, start.Sub(last))
	}
}

func (g *gaps) first() time.Time { return g.begin }
func (g *gaps) count() int       { return len(g.list) }

func (g *gaps) sum() (all time.Duration) {
	for _, gap := range g.list {
		all += gap
	}
	return all
}

func (g *gaps) mean() time.Duration { return g.sum() / time.Duration(max(len(g.list), 1)) }

func (g *gaps) median() time.Duration {
	if len(g.list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(g.list))[len(g.list)/2]
}

func (g *gaps) longest() time.Duration {
	if len(g.list) == 0 {
		return 0
	}
	return slices.Max(g.list)
}

func (g *gaps) percent() float64 { return 100 * g.sum().Seconds() / max(g.work.Seconds(), 1e-9) }
