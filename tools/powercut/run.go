package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// run cuts the power again and again, and returns how many promises were broken.
func run(ctx context.Context, o options) (broken int, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "powercut-"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(o.dir)
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return 0, err
	}
	c := &cutter{options: o, random: rand.New(rand.NewPCG(o.seed, 1)), outside: filepath.Join(o.dir, "outside")}
	c.objects, c.jobs, c.probes = map[string][]write{}, map[string]schema.State{}, map[string]bool{}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.setUp(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	for i := range o.cuts {
		if err := c.once(ctx, i); err != nil || c.broken > 0 { // what is broken may never end
			return c.broken, err
		}
	}
	over := c.over
	if err := c.finish(ctx); err != nil {
		return c.broken, err
	}
	mended, err := c.mended()
	if err != nil {
		return c.broken, err
	}
	log.Printf("%d cuts in %v: %d jobs were answered, %d of them over before a cut; %d keys of the queue; %d writes of objects; "+
		"the queue was mended %d times; %d records checked; %d broken promises",
		o.cuts, time.Since(start).Round(time.Second), c.submitted, over, len(c.probes), c.writes, mended, c.records, c.broken)
	if c.alone > 0 {
		log.Printf("%d cuts hit one server: the others answered again after %v at most", c.alone, c.longest.Round(time.Millisecond))
	}
	return c.broken, nil
}

// mended counts how often a dispatcher has mended the queue.
func (c *cutter) mended() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, nodeLog))
	return bytes.Count(text, []byte("the queue was damaged and is mended")), err
}

// cutter is a run.
type cutter struct {
	options
	promises
	random   *rand.Rand
	machines []*machine
	cluster  jobstest.Servers // if there are three machines
	outside  string           // directory of the node then
	node     *process         // nil while none is running
	nodes    int              // that were started
	records  int
	alone    int           // cuts of one server
	longest  time.Duration // until the others answered
}

// wait waits for a random time: mostly for some seconds, which may end while the process still
// recovers, and at times until a job is over.
func (c *cutter) wait(ctx context.Context) error {
	const longest, most, step = 6000, 45 * time.Second, 50 * time.Millisecond
	pause := time.Duration(200+c.random.IntN(longest)) * time.Millisecond
	if c.random.IntN(5) > 0 {
		return parallel.Sleep(ctx, pause)
	}
	before, err := c.node.count(noteOver)
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < most; {
		over, err := c.node.count(noteOver)
		if err != nil || over > before {
			return err
		}
		if err := parallel.Sleep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// look checks the objects on the disk.
func (c *cutter) look(ctx context.Context) error {
	from, err := store.OpenDir(filepath.Join(c.nodeDir(), "store"), store.Options{})
	if err != nil {
		return err
	}
	defer from.Close()
	return c.check(ctx, from)
}

// finish lets a last process finish all jobs, and checks their results.
func (c *cutter) finish(ctx context.Context) error {
	const most = 5 * time.Minute
	if err := c.endNode(); err != nil { // the last cut has left it
		return err
	}
	if err := c.start(true); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var err error
	for idle := 0; idle == 0 && err == nil; {
		if idle, err = c.node.count(noteIdle); err == nil && idle == 0 {
			err = parallel.Sleep(limited, time.Second)
		}
	}
	if err := errors.Join(err, c.endNode()); err != nil {
		return fmt.Errorf("the jobs are not over: %w", err)
	}
	from, err := store.OpenDir(filepath.Join(c.nodeDir(), "store"), store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	for id, state := range c.jobs {
		if state != schema.Done {
			c.breach("job %s is %s", id, state)
			continue
		}
		if err := c.checkResults(ctx, from, id); err != nil {
			c.breach("job %s: %v", id, err)
		}
	}
	return nil
}

// checkResults compares the results of a job with its pictures.
func (c *cutter) checkResults(ctx context.Context, from store.Store, id string) error {
	var text bytes.Buffer
	if err := results.CopyMerged(ctx, from, jobs.DefaultTenant, id, &text); err != nil {
		return err
	}
	seen := make([]int, c.items)
	for line := range bytes.Lines(text.Bytes()) {
		var r schema.Record
		if err := schema.Decode(line, &r); err != nil {
			return err
		}
		c.records++
		want := schema.StatusOK
		if strings.HasPrefix(r.Key, "bad") {
			want = schema.StatusError
		}
		if r.Item >= c.items || r.Key != pictureName(r.Item) || r.Status != want {
			c.breach("job %s: item %d is %s and %s", id, r.Item, r.Key, r.Status)
			continue
		}
		seen[r.Item]++
	}
	for i, n := range seen {
		if n != 1 {
			c.breach("job %s: %s has %d records", id, pictureName(i), n)
		}
	}
	return nil
}
