package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// write is a change of an object, or how the object was found.
type write struct {
	sum        string // "" if the object is missing
	number     int64
	begin, end int // positions in the notes; end is 0 while it is not answered
}

// promises are the answers that the processes got.
type promises struct {
	// objects have, by key, the contents that they may have: those of the last answered write, and of
	// all that overlap it or are not answered.
	objects map[string][]write
	jobs    map[string]schema.State // answered ones, by identifier
	probes  map[string]bool         // answered keys of the queue

	broken, writes, submitted, over int
}

// breach reports a broken promise.
func (p *promises) breach(format string, args ...any) {
	p.broken++
	log.Printf("BROKEN: %s", fmt.Sprintf(format, args...))
}

// take takes the notes of a process whose power was cut at a time in nanoseconds since 1970.
// Answers after that count for nothing.
func (p *promises) take(notes []note, cut int64) {
	known := map[string]schema.State{}
	for i, n := range notes {
		at := i + 1
		switch n.What {
		case noteBegin:
			p.begin(n, at)
		case noteKnown:
			known[n.Job] = schema.State(n.State)
		case noteListed:
			p.compare(known)
		case noteFound:
			p.compareProbes(n.Found)
		}
		if n.At >= cut {
			continue
		}
		switch n.What {
		case noteEnd:
			p.end(n, at)
		case noteProbe:
			p.probes[n.Key] = true
		case noteJob:
			p.submitted++
			p.jobs[n.Job] = schema.Queued
		case noteOver:
			p.over++
			p.jobs[n.Job] = schema.State(n.State)
		}
	}
}

// compare checks that the jobs that were answered are there.
func (p *promises) compare(known map[string]schema.State) {
	for id, state := range p.jobs {
		now, ok := known[id]
		switch {
		case !ok:
			p.breach("job %s is gone", id)
		case state.Over() && now != state:
			p.breach("job %s was %s and is %s", id, state, now)
		}
	}
}

// compareProbes checks that the keys of the queue that were answered are there.
func (p *promises) compareProbes(found []string) {
	there := map[string]bool{}
	for _, key := range found {
		there[key] = true
	}
	for key := range p.probes {
		if !there[key] {
			p.breach("key %s of the queue is gone", key)
		}
	}
}

func (p *promises) begin(n note, at int) {
	if p.objects[n.Key] == nil { // it was never there
		p.objects[n.Key] = []write{{end: -1}}
	}
	p.objects[n.Key] = append(p.objects[n.Key], write{sum: n.SHA256, number: n.Number, begin: at})
}

// end notes an answer: what was over before this write began is overwritten.
func (p *promises) end(n note, at int) {
	p.writes++
	var began int
	for _, w := range p.objects[n.Key] {
		if w.number == n.Number {
			began = w.begin
		}
	}
	var left []write
	for _, w := range p.objects[n.Key] {
		switch {
		case w.number == n.Number:
			w.end = at
		case w.end != 0 && w.end < began:
			continue
		}
		left = append(left, w)
	}
	p.objects[n.Key] = left
}

// check compares all objects with a store. What it finds is what is expected from then on.
func (p *promises) check(ctx context.Context, from store.Store) error {
	for key, writes := range p.objects {
		found := ""
		body, _, err := from.Get(ctx, key)
		switch {
		case err == nil:
			data, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				return err
			}
			found = sum(data)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		fits := false
		for _, w := range writes {
			fits = fits || w.sum == found
		}
		if !fits {
			p.breach("object %s has the SHA-256 %q, expected %q", key, found, writes[0].sum)
		}
		p.objects[key] = []write{{sum: found, end: -1}}
	}
	return nil
}
