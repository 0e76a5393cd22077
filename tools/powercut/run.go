package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/declip/declip/internal/jobs"
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
	p, err := newPower(ctx, o.dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.close(context.WithoutCancel(ctx))) }()
	c := &cutter{options: o, power: p, random: rand.New(rand.NewPCG(o.seed, 1))}
	c.objects, c.jobs = map[string][]write{}, map[string]schema.State{}
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
	log.Printf("%d cuts in %v: %d jobs were answered, %d of them over before a cut; %d writes of objects; the queue was mended %d times; "+
		"%d records checked; %d broken promises", o.cuts, time.Since(start).Round(time.Second), c.submitted, over, c.writes, mended, c.records, c.broken)
	return c.broken, nil
}

// nodeLog is the file of the processes' messages.
const nodeLog = "node.log"

// mended counts how often a dispatcher has mended the queue.
func (c *cutter) mended() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, nodeLog))
	return bytes.Count(text, []byte("the queue was damaged and is mended")), err
}

// cutter is a run.
type cutter struct {
	options
	promises
	power   *power
	random  *rand.Rand
	records int
}

// process is a node that works on the disk.
type process struct {
	cmd   *exec.Cmd
	notes string // file
}

func (c *cutter) start(number int, last bool) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{notes: filepath.Join(c.dir, fmt.Sprintf("notes-%03d.jsonl", number))}
	notes, err := os.Create(p.notes)
	if err != nil {
		return nil, err
	}
	defer notes.Close()
	messages, err := os.OpenFile(filepath.Join(c.dir, nodeLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer messages.Close()
	p.cmd = exec.Command(self, "-role", "node", "-dir", c.power.disk.dir, "-items", fmt.Sprint(c.items), "-picture", c.picture.String(),
		fmt.Sprintf("-unsafe=%t", c.unsafe), fmt.Sprintf("-last=%t", last))
	p.cmd.Stdout, p.cmd.Stderr = notes, messages
	return p, p.cmd.Start()
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end waits for the process, which must have been killed.
func (p *process) end() error {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("the process ended by itself: %w", errors.Join(err, errors.New(nodeLog+" has the reason")))
}

// once lets a process work, cuts the power and checks what is left.
func (c *cutter) once(ctx context.Context, number int) error {
	p, err := c.start(number, false)
	if err != nil {
		return err
	}
	if err := c.wait(ctx, p); err != nil {
		return errors.Join(err, p.kill(), p.end())
	}
	cut := time.Now().UnixNano()
	if err := c.power.cut(ctx, p.kill, p.end); err != nil {
		return err
	}
	notes, err := readNotes(p.notes)
	if err != nil {
		return err
	}
	before := c.promises
	c.take(notes, cut)
	if err := c.look(ctx); err != nil {
		return err
	}
	log.Printf("cut %d: %d jobs answered and %d over since the last one, %d writes; %d of %d objects are not as they should be", number+1,
		c.submitted-before.submitted, c.over-before.over, c.writes-before.writes, c.broken-before.broken, len(c.objects))
	return nil
}

// wait waits for a random time: mostly for some seconds, which may end while the process still
// recovers, and at times until a job is over.
func (c *cutter) wait(ctx context.Context, p *process) error {
	const longest, most, step = 6000, 45 * time.Second, 50 * time.Millisecond
	pause := time.Duration(200+c.random.IntN(longest)) * time.Millisecond
	if c.random.IntN(5) > 0 {
		return parallel.Sleep(ctx, pause)
	}
	for began := time.Now(); time.Since(began) < most; {
		over, err := p.has(noteOver)
		if err != nil || over {
			return err
		}
		if err := parallel.Sleep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// has tells whether the process has written a note of a kind.
func (p *process) has(what string) (bool, error) {
	text, err := os.ReadFile(p.notes)
	return bytes.Contains(text, []byte(`"what":"`+what+`"`)), err
}

// look checks the objects on the disk.
func (c *cutter) look(ctx context.Context) error {
	from, err := store.OpenDir(filepath.Join(c.power.disk.dir, "store"), store.Options{})
	if err != nil {
		return err
	}
	defer from.Close()
	return c.check(ctx, from)
}

// finish lets a last process finish all jobs, and checks their results.
func (c *cutter) finish(ctx context.Context) error {
	const most = 5 * time.Minute
	p, err := c.start(c.cuts, true)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for idle := false; !idle && err == nil; {
		if idle, err = p.has(noteIdle); err == nil && !idle {
			err = parallel.Sleep(limited, time.Second)
		}
	}
	if err := errors.Join(err, p.kill(), p.end()); err != nil {
		return fmt.Errorf("the jobs are not over: %w", err)
	}
	notes, err := readNotes(p.notes)
	if err != nil {
		return err
	}
	c.take(notes, time.Now().UnixNano())
	from, err := store.OpenDir(filepath.Join(c.power.disk.dir, "store"), store.Options{ReadOnly: true})
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
