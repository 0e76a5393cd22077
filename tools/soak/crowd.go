package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of clients.
const (
	kindValid   = "valid"
	kindHostile = "hostile"
	kindLeaving = "leaving"
)

// patience is how long a client waits for an answer: longer than the server's --timeout, after
// which it refuses.
const patience = 3 * time.Minute

// crowd is many clients at a time.
type crowd struct {
	program  *program
	requests []*validRequest
	hostile  []hostileRequest
	clients  int
	seed     uint64
	client   *http.Client
	tally    *tally
}

// newCrowd makes ten clients for each picture that fits into the queue and the two workers, with
// one more that is just being answered.
func newCrowd(p *program, o options, requests []*validRequest) *crowd {
	return &crowd{
		program: p, requests: requests, hostile: hostileRequests(o.seed), clients: 10 * (o.queue + 3), seed: o.seed, tally: newTally(),
		client: &http.Client{
			Timeout: patience,
			// Shorter than the server's: it never closes a connection on which a request was just
			// sent.
			Transport: &http.Transport{MaxIdleConnsPerHost: 20, IdleConnTimeout: 5 * time.Second},
		},
	}
}

// drive lets the clients send requests for d, and samples the server's memory.
func (c *crowd) drive(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wait sync.WaitGroup
	for i := range c.clients {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(c.seed, uint64(i)))
			for {
				l := c.program.running(ctx)
				if l == nil {
					return
				}
				c.send(ctx, l, r)
			}
		})
	}
	for ctx.Err() == nil {
		if l := c.program.running(ctx); l != nil {
			c.program.memory.take(l.cmd.Process.Pid)
		}
		time.Sleep(time.Second)
	}
	wait.Wait()
	c.client.CloseIdleConnections()
}

// send sends one request of a random kind: of ten, six are valid, three hostile, and one leaves.
func (c *crowd) send(ctx context.Context, l *life, r *rand.Rand) {
	pause := time.Duration(0)
	switch n := r.IntN(10); {
	case n < 6:
		pause = c.sendValid(l, c.requests[r.IntN(len(c.requests))])
	case n < 9:
		c.sendHostile(ctx, l, c.hostile[r.IntN(len(c.hostile))])
	default:
		c.leave(r)
		pause = 50 * time.Millisecond
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// sendValid sends a request and checks the answer. The pause before the client sends the next one
// is shorter than Retry-After says, so that the overload stays.
func (c *crowd) sendValid(l *life, v *validRequest) (pause time.Duration) {
	began := time.Now()
	status, header, body, err := v.send(context.Background(), c.client, c.program.url)
	switch {
	case err != nil:
		c.unanswered(l, kindValid, v.name, status, err)
		return time.Second
	case status == http.StatusOK:
		c.tally.answered(kindValid, status, header)
		if got := v.normal(body); got != v.want {
			c.tally.lose(fmt.Sprintf("%s: a wrong answer of %d bytes, %.300q, expected %.300q", v.name, len(body), got, v.want))
		}
		if v.heavy {
			c.tally.took(time.Since(began))
		}
		return 0
	}
	c.tally.answered(kindValid, status, header)
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		c.tally.fault(fmt.Sprintf("%s: status %d: %.200q", v.name, status, body))
	}
	return time.Second
}

// unanswered counts a request without a whole answer. It is lost, unless the end of the process was
// asked for. After SIGTERM, answers that have begun must be whole.
func (c *crowd) unanswered(l *life, kind, name string, status int, err error) {
	select {
	case <-l.ended: // by itself: that is reported once
	case <-time.After(2 * time.Second):
	}
	ended := false
	select {
	case <-l.ended:
		ended = true
	default:
	}
	if ended || l.asked.Load() {
		c.tally.cutOff()
		return
	}
	c.tally.lose(fmt.Sprintf("%s, %s: status %d, %s", kind, name, status, plainError(err)))
}

// plainError leaves out the ports, so that equal errors are counted together.
func plainError(err error) string {
	words := strings.Fields(err.Error())
	words = slices.DeleteFunc(words, func(w string) bool { return strings.Contains(w, "127.0.0.1:") })
	return strings.Join(words, " ")
}

// calm waits until the server holds nothing for the clients that have left, and checks that it
// still answers.
func (c *crowd) calm(ctx context.Context, before map[string]float64) (broken []string, err error) {
	for _, v := range c.requests {
		status, _, body, err := v.send(ctx, c.client, c.program.url)
		if err != nil || status != http.StatusOK || v.normal(body) != v.want {
			broken = append(broken, fmt.Sprintf("after the load, %s: status %d, %v, %.200q", v.name, status, err, body))
		}
	}
	c.client.CloseIdleConnections()
	const (
		goroutines = "go_goroutines"
		spare      = 10 // goroutines of the runtime and of net/http
	)
	held := []string{`declip_memory_bytes{use="in"}`, `declip_memory_bytes{use="work"}`, `declip_memory_bytes{use="out"}`}
	var left []string
	for range 60 {
		now, err := c.program.gauges(ctx)
		if err != nil {
			return nil, err
		}
		left = nil
		for _, name := range held {
			if _, ok := now[name]; !ok {
				return nil, fmt.Errorf("the metrics lack %s", name)
			}
			if now[name] > before[name] {
				left = append(left, fmt.Sprintf("%s is %.0f", name, now[name]))
			}
		}
		if now[goroutines] > before[goroutines]+spare {
			left = append(left, fmt.Sprintf("%.0f goroutines, %.0f before the load", now[goroutines], before[goroutines]))
		}
		if len(left) == 0 {
			return broken, nil
		}
		time.Sleep(time.Second)
	}
	return append(broken, "a minute after the load, "+strings.Join(left, ", ")), nil
}

// dial connects to the server.
func (c *crowd) dial() (net.Conn, error) {
	return (&net.Dialer{Timeout: patience}).Dial("tcp", c.program.addr)
}
