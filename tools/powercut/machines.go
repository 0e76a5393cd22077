package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/parallel"
)

// machine is what the power is cut of: a disk, and a process that works on it.
type machine struct {
	power   *power
	process *process // nil while none is running
}

// setUp makes the machines.
func (c *cutter) setUp(ctx context.Context) (err error) {
	if c.options.servers > 1 {
		if c.cluster, err = jobstest.NewServers(ctx, c.options.servers); err != nil {
			return err
		}
		if err := os.MkdirAll(c.outside, 0o755); err != nil {
			return err
		}
	}
	for i := range c.options.servers {
		p, err := newPower(ctx, filepath.Join(c.dir, fmt.Sprint("machine", i)))
		if err != nil {
			return err
		}
		c.machines = append(c.machines, &machine{power: p})
	}
	return nil
}

// nodeDir is the directory of the node: on the only machine, or outside of all of them.
func (c *cutter) nodeDir() string {
	if len(c.machines) > 1 {
		return c.outside
	}
	return c.machines[0].power.disk.dir
}

// start starts what is not running: servers, and the node.
func (c *cutter) start(last bool) (err error) {
	var queue string
	if len(c.machines) > 1 {
		queue = c.cluster.String()
		for i, m := range c.machines {
			if m.process != nil {
				continue
			}
			m.process, err = startProcess(c.dir, "", "-role", "server", "-dir", m.power.disk.dir, "-queue", queue, "-number", fmt.Sprint(i))
			if err != nil {
				return err
			}
		}
	}
	if c.node != nil {
		return nil
	}
	c.nodes++
	notes := filepath.Join(c.dir, fmt.Sprintf("notes-%03d.jsonl", c.nodes))
	c.node, err = startProcess(c.dir, notes, "-role", "node", "-dir", c.nodeDir(), "-items", fmt.Sprint(c.items), "-picture", c.picture.String(),
		"-queue", queue, fmt.Sprintf("-unsafe=%t", c.unsafe), fmt.Sprintf("-last=%t", last))
	if len(c.machines) == 1 {
		c.machines[0].process = c.node
	}
	return err
}

// running are all processes.
func (c *cutter) running() (list []*process) {
	for _, m := range c.machines {
		if m.process != nil {
			list = append(list, m.process)
		}
	}
	if c.node != nil && len(c.machines) > 1 {
		list = append(list, c.node)
	}
	return list
}

// close ends all processes and unmounts all disks.
func (c *cutter) close(ctx context.Context) error {
	list := c.running()
	errs := []error{together(list, (*process).kill)(), together(list, (*process).end)()}
	for _, m := range c.machines {
		errs = append(errs, m.power.close(ctx))
	}
	return errors.Join(errs...)
}

// once lets the processes work, cuts the power and checks what is left.
func (c *cutter) once(ctx context.Context, number int) error {
	if err := c.start(false); err != nil {
		return err
	}
	if err := c.wait(ctx); err != nil {
		return err
	}
	if len(c.machines) > 1 && number%2 == 1 {
		return c.cutOne(ctx, number)
	}
	return c.cutAll(ctx, number)
}

// cutAll cuts the power of all machines. The node ends, too.
func (c *cutter) cutAll(ctx context.Context, number int) error {
	var disks []*power
	for _, m := range c.machines {
		disks = append(disks, m.power)
	}
	list := c.running()
	cut := time.Now().UnixNano()
	if err := cutPower(ctx, disks, together(list, (*process).kill), together(list, (*process).end)); err != nil {
		return err
	}
	ended := c.node
	c.node = nil
	for _, m := range c.machines {
		m.process = nil
	}
	before := c.promises
	if err := c.read(ended, cut); err != nil {
		return err
	}
	if err := c.look(ctx); err != nil {
		return err
	}
	log.Printf("cut %d: %d jobs answered and %d over since the last one, %d writes; %d of %d objects are not as they should be", number+1,
		c.submitted-before.submitted, c.over-before.over, c.writes-before.writes, c.broken-before.broken, len(c.objects))
	return nil
}

// cutOne cuts the power of one server of a cluster that answers, and starts the server again when
// the others have answered.
func (c *cutter) cutOne(ctx context.Context, number int) error {
	if _, err := c.answer(ctx, 0); err != nil {
		return fmt.Errorf("the servers: %w", err)
	}
	victim := c.random.IntN(len(c.machines))
	m := c.machines[victim]
	if err := cutPower(ctx, []*power{m.power}, m.process.kill, m.process.end); err != nil {
		return err
	}
	m.process = nil
	before, err := c.node.count(noteProbe)
	if err != nil {
		return err
	}
	took, err := c.answer(ctx, before)
	switch {
	case errors.Is(err, errSilent):
		c.breach("without server %d: the others: %v", victim, err)
	case err != nil:
		return err
	default:
		c.alone++
		c.longest = max(c.longest, took)
		log.Printf("cut %d: server %d alone; the others answered after %v", number+1, victim, took.Round(time.Millisecond))
	}
	return nil
}

// errSilent: the queue does not answer.
var errSilent = errors.New("no answer")

// answer waits until the queue has answered the node more than n times, and returns how long it
// took.
func (c *cutter) answer(ctx context.Context, n int) (time.Duration, error) {
	const most, step = 30 * time.Second, 20 * time.Millisecond
	for began := time.Now(); ; {
		now, err := c.node.count(noteProbe)
		took := time.Since(began)
		switch {
		case err != nil || now > n:
			return took, err
		case took > most:
			return took, fmt.Errorf("%w for %v", errSilent, most)
		}
		if err := parallel.Sleep(ctx, step); err != nil {
			return took, err
		}
	}
}

// endNode ends the node, if it is running, and takes its notes.
func (c *cutter) endNode() error {
	if c.node == nil {
		return nil
	}
	ended := c.node
	c.node = nil
	if len(c.machines) == 1 {
		c.machines[0].process = nil
	}
	if err := errors.Join(ended.kill(), ended.end()); err != nil {
		return err
	}
	return c.read(ended, time.Now().UnixNano())
}

// read takes the notes of a node that has ended.
func (c *cutter) read(ended *process, cut int64) error {
	notes, err := readNotes(ended.notes)
	if err != nil {
		return err
	}
	c.take(notes, cut)
	return nil
}
