package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what came of the requests.
type tally struct {
	mu       sync.Mutex
	statuses map[string]map[int]int // by kind of client; 0: no answer was awaited or sent
	accepted []time.Duration        // valid requests to localize that got 200
	cut      int                    // requests that the end of the process cut off
	refused  int                    // with 503 and Retry-After
	lost     map[string]int         // by what happened
	faulty   map[string]int         // answers that break a promise, by what they were
}

func newTally() *tally {
	return &tally{statuses: map[string]map[int]int{}, lost: map[string]int{}, faulty: map[string]int{}}
}

// answered counts an answer and checks its status.
func (t *tally) answered(kind string, status int, header http.Header) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.statuses[kind] == nil {
		t.statuses[kind] = map[int]int{}
	}
	t.statuses[kind][status]++
	retry := header.Get("Retry-After")
	switch {
	case status == http.StatusServiceUnavailable && retry != "":
		t.refused++
	case status >= http.StatusInternalServerError:
		t.faulty[fmt.Sprintf("%s: status %d", kind, status)]++
	case status == http.StatusTooManyRequests && retry == "":
		t.faulty[kind+": status 429 without Retry-After"]++
	}
}

func (t *tally) took(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted = append(t.accepted, d)
}

func (t *tally) cutOff() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut++
}

func (t *tally) lose(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost[what]++
}

func (t *tally) fault(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faulty[what]++
}

// broken lists the broken promises.
func (t *tally) broken() (list []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(t.lost)) {
		list = append(list, fmt.Sprintf("%d requests lost: %s", t.lost[what], what))
	}
	for _, what := range slices.Sorted(maps.Keys(t.faulty)) {
		list = append(list, fmt.Sprintf("%d times %s", t.faulty[what], what))
	}
	if t.statuses[kindValid][http.StatusOK] == 0 {
		list = append(list, "no valid request was answered with 200")
	}
	return list
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(t.statuses)) {
		fmt.Fprintf(&b, "  %s:", kind)
		total := 0
		for _, status := range slices.Sorted(maps.Keys(t.statuses[kind])) {
			n := t.statuses[kind][status]
			total += n
			if status == 0 {
				fmt.Fprintf(&b, " %d without an answer,", n)
				continue
			}
			fmt.Fprintf(&b, " %d of %d,", n, status)
		}
		fmt.Fprintf(&b, " %d in all\n", total)
	}
	fmt.Fprintf(&b, "  lost: %d; cut off by the end of the process: %d; refused with 503: %d; other faults: %d\n",
		sum(t.lost), t.cut, t.refused, sum(t.faulty))
	if list := slices.Sorted(slices.Values(t.accepted)); len(list) > 0 {
		at := func(p int) time.Duration { return list[(len(list)-1)*p/100].Round(time.Millisecond) }
		fmt.Fprintf(&b, "  accepted: p50 %v, p99 %v, at most %v\n", at(50), at(99), at(100))
	}
	return b.String()
}
