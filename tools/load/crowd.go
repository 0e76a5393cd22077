package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is a number of clients that each send a picture as soon as the last one is answered.
type crowd struct {
	url     string
	files   [][]byte
	clients int
}

// tally counts the answers.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int // 0: no answer
	accepted []time.Duration
	refused  []time.Duration
	errors   map[string]int
	end      time.Time // of sending
	first    time.Time // when a picture was localized, the first and the last before the end
	last     time.Time
	counted  int // between these two
}

func (c crowd) drive(d time.Duration) *tally {
	t := &tally{statuses: map[int]int{}, errors: map[string]int{}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.clients}}
	defer client.CloseIdleConnections()
	t.end = time.Now().Add(d)
	var wait sync.WaitGroup
	for i := range c.clients {
		wait.Go(func() {
			for n := i; time.Now().Before(t.end); n++ {
				if retry := t.send(client, c.url, c.files[n%len(c.files)]); retry > 0 {
					time.Sleep(retry)
				}
			}
		})
	}
	wait.Wait()
	return t
}

// send sends a picture. A refused client tries again after a second, sooner than Retry-After says.
func (t *tally) send(client *http.Client, url string, file []byte) (retry time.Duration) {
	start := time.Now()
	response, err := client.Post(url, "image/jpeg", bytes.NewReader(file))
	status := 0
	if err == nil {
		status = response.StatusCode
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	took := time.Since(start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.errors[err.Error()]++
		status = 0
	}
	t.statuses[status]++
	switch status {
	case http.StatusOK:
		t.accepted = append(t.accepted, took)
		switch now := time.Now(); {
		case len(t.accepted) == 1:
			t.first, t.last = now, now
		case now.Before(t.end):
			t.last, t.counted = now, t.counted+1
		}
		return 0
	case http.StatusTooManyRequests:
		t.refused = append(t.refused, took)
	}
	return time.Second
}

// rate is the number of pictures localized per second, between the first answer and the last before
// the end.
func (t *tally) rate() float64 {
	return float64(t.counted) / max(t.last.Sub(t.first).Seconds(), 1e-9)
}

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.3f pictures a second", t.rate())
	for _, status := range slices.Sorted(maps.Keys(t.statuses)) {
		fmt.Fprintf(&b, ", %d of %d", t.statuses[status], status)
	}
	fmt.Fprintf(&b, "; accepted %s", spread(t.accepted))
	if len(t.refused) > 0 {
		fmt.Fprintf(&b, "; refused %s", spread(t.refused))
	}
	for text, n := range t.errors {
		fmt.Fprintf(&b, "; %d times %s", n, text)
	}
	return b.String()
}

func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	at := func(p int) time.Duration { return list[(len(list)-1)*p/100].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %v p99 %v max %v", at(50), at(99), at(100))
}

// molest keeps n connections of clients that are slow or broken in several ways. A connection that
// the server closes is opened again; the result counts these.
func molest(ctx context.Context, addr string, n int, file []byte) (ended func() int64) {
	var count atomic.Int64
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			for ctx.Err() == nil {
				molestOnce(ctx, addr, i%5, file)
				if ctx.Err() == nil {
					count.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	return func() int64 { wait.Wait(); return count.Load() }
}

func molestOnce(ctx context.Context, addr string, kind int, file []byte) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	head := fmt.Sprintf("POST /v1/localize HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", addr, len(file))
	drip := func(data []byte) {
		for _, b := range data {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}
	switch kind {
	case 0: // a head that does not end
		drip([]byte(head))
	case 1: // a body byte by byte
		conn.Write([]byte(head))
		drip(file)
	case 2: // half a body, then silence
		conn.Write([]byte(head))
		conn.Write(file[:len(file)/2])
		io.Copy(io.Discard, conn)
	case 3: // nothing at all
		io.Copy(io.Discard, conn)
	case 4: // half a body, then gone
		conn.Write([]byte(head))
		conn.Write(file[:len(file)/2])
		time.Sleep(time.Second)
	}
}
