package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// grace is the server's --grace.
const grace = 30 * time.Second

// program is the server, which is started again after it was killed or stopped.
type program struct {
	options options
	addr    string // the same for all lives
	url     string
	life    atomic.Pointer[life]
	memory  samples

	mu     sync.Mutex
	lives  int
	killed int
	took   []time.Duration // from SIGTERM to the end
	faults []string        // promises that were broken
	last   []string        // lines of its log that are not about answered requests
	noted  map[string]int  // how often a message was logged, but for requests
}

// life is one process of the program.
type life struct {
	cmd   *exec.Cmd
	asked atomic.Bool // its end was asked for
	ended chan struct{}
	err   error // of Wait, when ended is closed
}

func startProgram(ctx context.Context, o options) (*program, error) {
	p := &program{options: o, addr: "127.0.0.1:0", noted: map[string]int{}}
	return p, p.start(ctx)
}

// start starts the program and waits until it answers.
func (p *program) start(ctx context.Context) error {
	path, err := filepath.Abs(p.options.declip)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, "serve", "--addr", p.addr, "--log", "json", "--queue", strconv.Itoa(p.options.queue),
		"--max-pictures", "2", "--max-pixels", "2000000", "--max-bytes", "4MiB", "--grace", grace.String(), "--keep", p.options.keep)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	logged, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.readLog(logged) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		reading.Wait()
		return fmt.Errorf("the server does not start: %w: %s", errors.Join(err, cmd.Wait()), strings.Join(p.last, "\n"))
	}
	_, url, ok := strings.Cut(strings.TrimSpace(line), " at ")
	if !ok {
		_ = cmd.Process.Kill()
		return fmt.Errorf("the server says %q: expected its address", line)
	}
	p.url, p.addr = url, strings.TrimPrefix(url, "http://")
	l := &life{cmd: cmd, ended: make(chan struct{})}
	p.mu.Lock()
	p.lives++
	p.mu.Unlock()
	go p.watch(l, out, &reading)
	p.memory.begin()
	p.life.Store(l)
	if p.options.duration >= warmRuns {
		go p.warm(ctx, l)
	}
	return nil
}

// warmRuns is the shortest run that warms its processes, because their memory matters.
const warmRuns = 5 * time.Minute

// warm sends the largest pictures that are accepted, two for each worker at a time.
func (p *program) warm(ctx context.Context, l *life) {
	large := &validRequest{method: http.MethodPost, path: "/v1/localize?maps=none", body: largest()}
	var sending sync.WaitGroup
	for range 4 {
		sending.Go(func() {
			for !l.asked.Load() {
				if status, _, _, err := large.send(ctx, http.DefaultClient, p.url); err == nil && status == http.StatusOK {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	sending.Wait()
	if !l.asked.Load() {
		p.memory.warm()
	}
}

// watch waits for the end of a process, and notes whether it was asked for.
func (p *program) watch(l *life, out io.Reader, reading *sync.WaitGroup) {
	_, _ = io.Copy(io.Discard, out)
	reading.Wait()
	l.err = l.cmd.Wait()
	if !l.asked.Load() {
		p.mu.Lock()
		p.faults = append(p.faults, fmt.Sprintf("the server ended by itself: %v\n%s", l.err, strings.Join(p.last, "\n")))
		p.mu.Unlock()
	}
	close(l.ended)
}

// readLog keeps the last lines of the log that do not belong to an answered request, such as a
// stack. A line about a panic is a broken promise.
func (p *program) readLog(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var entry struct {
			Msg    string
			Status int
		}
		if json.Unmarshal(scanner.Bytes(), &entry) == nil && entry.Status != 0 && entry.Status < http.StatusInternalServerError {
			continue
		}
		p.mu.Lock()
		if entry.Msg != "" && entry.Status == 0 {
			p.noted[entry.Msg]++
		}
		p.last = append(p.last, scanner.Text())
		p.last = p.last[max(0, len(p.last)-40):]
		if strings.Contains(scanner.Text(), "panic") {
			p.faults = append(p.faults, "a panic: "+scanner.Text())
		}
		p.mu.Unlock()
	}
}

// running returns the current process, nil after ctx has ended. While there is none, it waits.
func (p *program) running(ctx context.Context) *life {
	for ctx.Err() == nil {
		if l := p.life.Load(); !l.asked.Load() {
			return l
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// kill ends the process at once.
func (p *program) kill() {
	l := p.life.Load()
	l.asked.Store(true)
	_ = l.cmd.Process.Kill()
	<-l.ended
}

// crash kills the program and starts it again.
func (p *program) crash(ctx context.Context) error {
	p.kill()
	p.mu.Lock()
	p.killed++
	p.mu.Unlock()
	return p.start(ctx)
}

// restart stops the program with SIGTERM, checks how it ends, and starts it again.
func (p *program) restart(ctx context.Context) error {
	l := p.life.Load()
	l.asked.Store(true)
	began := time.Now()
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-l.ended:
	case <-time.After(2 * grace):
		p.kill()
		l.err = fmt.Errorf("not within %v", 2*grace)
	}
	p.mu.Lock()
	p.took = append(p.took, time.Since(began))
	if l.err != nil {
		p.faults = append(p.faults, fmt.Sprintf("after SIGTERM the server ended with %v: %s", l.err, strings.Join(p.last, "\n")))
	}
	p.mu.Unlock()
	return p.start(ctx)
}

// broken returns what the program did that it must not do.
func (p *program) broken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

func (p *program) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("started %d times, killed %d times, stopped %d times", p.lives, p.killed, len(p.took))
	if len(p.took) > 0 {
		text += fmt.Sprintf(" (in %v at most)", slices.Max(p.took).Round(time.Millisecond))
	}
	for _, message := range slices.Sorted(maps.Keys(p.noted)) {
		text += fmt.Sprintf("\n  logged %d times: %s", p.noted[message], message)
	}
	return text
}

// gauges reads the metrics that say what the server holds.
func (p *program) gauges(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	list := map[string]float64{}
	scanner := bufio.NewScanner(response.Body)
	for scanner.Scan() {
		name, value, _ := strings.Cut(scanner.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			list[name] = v
		}
	}
	return list, scanner.Err()
}
