package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// event is one of a stream.
type event struct{ name, data string }

// events reads a stream of events to its end, and counts the comments.
func events(t *testing.T, r io.Reader) (list []event, comments int) {
	t.Helper()
	var e event
	for lines := bufio.NewScanner(r); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, ":"):
			comments++
		case strings.HasPrefix(line, "event: "):
			e.name = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			e.data = strings.TrimPrefix(line, "data: ")
		case line == "" && e.name != "":
			list, e = append(list, e), event{}
		}
	}
	return list, comments
}

// The events of a job are its states, until it is over. They outlast the time of a request, and
// have comments while nothing changes.
func TestJobEvents(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.Timeout = 2 * time.Second }, "a.jpg", "b.jpg")
	st := h.submit(`{"source": "inbox", "prefix": ""}`)
	got := make(chan reply, 1)
	failed := parallel.Go(func() error {
		a, err := h.try(context.Background(), http.MethodGet, "/v1/jobs/"+st.ID+"/events", nil)
		got <- a
		return err
	})
	time.Sleep(2200 * time.Millisecond) // longer than the time of a request
	h.work(&jobstest.Work{})
	a := <-got
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	list, comments := events(t, strings.NewReader(string(a.body)))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != typeEvents || len(list) < 2 || comments < 2 {
		t.Fatalf("status %d, %s, %d comments, events %v", a.status, a.header, comments, list)
	}
	var last jobs.Status
	if err := json.Unmarshal([]byte(list[len(list)-1].data), &last); err != nil || list[0].name != "status" ||
		list[len(list)-1].name != "end" || last.State != schema.Done || last.Done != 2 {
		t.Errorf("events %v, %v", list, err)
	}
}

// A server that stops ends the responses that follow jobs. Reading results that are cut off is an
// error.
func TestStopWhileFollowing(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.Grace = 10 * time.Second }, "a.jpg")
	st := h.submit(`{"source": "inbox", "prefix": ""}`)
	begin := func(path string) *http.Response {
		r, err := http.Get(h.url + "/v1/jobs/" + st.ID + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	lines, stream := begin("/results?follow=1"), begin("/events")
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if _, err := io.ReadAll(lines.Body); err == nil {
		t.Error("results that were cut off look complete")
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("events: %v", err)
	}
}

// There is a bound on the responses that follow jobs.
func TestFollowersAreBounded(t *testing.T) {
	h := openHouse(t, nil, "a.jpg")
	st := h.submit(`{"source": "inbox", "prefix": ""}`)
	for range streamsAtOnce {
		h.streams <- struct{}{}
	}
	for _, path := range []string{"/events", "/results"} {
		refused(t, h.get("/v1/jobs/"+st.ID+path), http.StatusTooManyRequests, codeBusy)
	}
}
