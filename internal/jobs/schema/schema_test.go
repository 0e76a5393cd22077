package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
)

var digest = strings.Repeat("0123456789abcdef", 4)

func validJob() *Job {
	return &Job{
		V: 1, ID: NewID(time.Now()), Tenant: "default", State: Queued, Items: 3, Source: "inbox", Model: "lite", Digest: digest,
		Class: queue.CPU, Priority: queue.Bulk, Options: Options{Threshold: 0.5, Maps: MapsFlagged, MaxPixels: 1e8},
		Created: time.Now().UTC(),
	}
}

// Each kind of message is read back as it was written, and a field that this version does not know
// is refused.
func TestStrict(t *testing.T) {
	now := time.Now().UTC()
	for _, c := range []struct {
		value, into checker
	}{
		{validJob(), &Job{}},
		{&Batch{V: 1, Job: "J", Tenant: "T", Digest: digest, Part: 1, From: 8192, N: 16, Priority: queue.Urgent, Created: now}, &Batch{}},
		{&Finished{V: 1, Job: "J", From: 16, N: 16, OK: 15, Failed: 1, Dead: 1, Flagged: 2, MS: 12.5, Worker: "w", PartSHA256: digest}, &Finished{}},
		{&Worker{V: 1, ID: "w", Pools: []string{"0123456789ab_cpu"}, Slots: 2, Busy: 1, Version: "v"}, &Worker{}},
		{&Progress{V: 1, Job: "J", Counts: Counts{Done: 2}, Rate: 1.5}, &Progress{}},
		{&Start{V: 1, Count: 2, Worker: "w"}, &Start{}},
	} {
		text, err := Encode(c.value)
		if err != nil {
			t.Errorf("%T: %v", c.value, err)
			continue
		}
		if err := Decode(text, c.into); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if again, _ := json.Marshal(c.into); !bytes.Equal(again, text) {
			t.Errorf("got %s, expected %s", again, text)
		}
		for _, bad := range []string{
			strings.Replace(string(text), `{"v":1`, `{"v":2`, 1),
			strings.Replace(string(text), `{"v":1`, `{"v":1,"more":0`, 1),
			string(text) + "{}", string(text[:len(text)-1]), "null", "[]", "",
		} {
			if err := Decode([]byte(bad), c.into); !errors.Is(err, ErrInvalid) {
				t.Errorf("%T: %s: got %v, expected it to be refused", c.into, bad, err)
			}
		}
	}
}

func TestCheckJob(t *testing.T) {
	for name, change := range map[string]func(*Job){
		"state":     func(j *Job) { j.State = "asleep" },
		"tenant":    func(j *Job) { j.Tenant = "a.b" },
		"id":        func(j *Job) { j.ID = "" },
		"digest":    func(j *Job) { j.Digest = digest[1:] },
		"class":     func(j *Job) { j.Class = queue.Train },
		"priority":  func(j *Job) { j.Priority = "" },
		"threshold": func(j *Job) { j.Options.Threshold = 1 },
		"maps":      func(j *Job) { j.Options.Maps = "some" },
		"pixels":    func(j *Job) { j.Options.MaxPixels = 0 },
		"items":     func(j *Job) { j.Items = -1 },
		"source":    func(j *Job) { j.Source = "../x" },
		"model":     func(j *Job) { j.Model = "" },
	} {
		j := validJob()
		change(j)
		if _, err := Encode(j); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, expected it to be refused", name, err)
		}
	}
}

// A batch that reaches over the end of its part of the manifest is refused.
func TestCheckBatch(t *testing.T) {
	b := Batch{V: 1, Job: "J", Tenant: "T", Digest: digest, From: 8190, N: 2, Priority: queue.Bulk}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	b.N = 3
	if err := b.Check(); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, expected it to be refused", err)
	}
}

func TestIDs(t *testing.T) {
	start := time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 100 {
		ids = append(ids, NewID(start.Add(time.Duration(i)*time.Millisecond)))
	}
	if !slices.IsSorted(ids) {
		t.Error("identifiers do not sort by their time")
	}
	// The time alone, as the specification of ULIDs gives it.
	if id := NewID(time.UnixMilli(1469918176385)); id[:10] != "01ARYZ6S41" || len(id) != 26 {
		t.Errorf("got %s, expected 26 digits that begin with 01ARYZ6S41", id)
	}
}

// The picture's fields keep their bytes, also with a name that looks like a field.
func TestRecord(t *testing.T) {
	for _, name := range []string{"a.jpg", `"item":5,.jpg`, "<&>\u2028é.png"} {
		picture := FailedPicture(name)
		r := Record{Picture: picture, Fields: Fields{
			Item: 7, Key: name, Status: StatusError, Error: &Failure{CodePicture, `no "item":1`}, Maps: []string{probName}, MS: 1.5,
		}}
		line, err := Encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(line, picture[:len(picture)-1]) {
			t.Errorf("%s does not begin with %s", line, picture)
		}
		var back Record
		if err := Decode(line, &back); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !bytes.Equal(back.Picture, picture) || back.Item != 7 || back.Key != name || back.Error.Message != r.Error.Message {
			t.Errorf("got %+v, expected %+v", back, r)
		}
		var plain map[string]any
		if err := json.Unmarshal(line, &plain); err != nil || plain["image"] != name || plain["item"] != 7.0 {
			t.Errorf("%s: read as %v, %v", line, plain, err)
		}
	}
}

const probName = "prob.png"

func TestKeys(t *testing.T) {
	j := validJob()
	r := Range{From: 512, N: 16}
	if back, err := j.PartRange(j.PartKey(r)); err != nil || back != r {
		t.Errorf("got %v, %v, expected %v", back, err, r)
	}
	for _, bad := range []string{"", j.JobKey(), j.PartsPrefix() + "0-0.jsonl.zst", j.PartsPrefix() + "01-2.jsonl.zst", j.PartsPrefix() + "1-2.jsonl"} {
		if _, err := j.PartRange(bad); err == nil {
			t.Errorf("%q was taken for a part", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	job, _ := Encode(validJob())
	f.Add(job)
	f.Add([]byte(`{"v":1,"job":"J","tenant":"T","digest":"` + digest + `","part":0,"from":0,"n":16,"priority":"bulk","created":"2026-11-30T00:00:00Z"}`))
	f.Add([]byte(`{"image":"a","item":0,"key":"a","status":"dead","flagged":false,"error":{"code":"dead","message":""},"ms":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, into := range []checker{&Job{}, &Batch{}, &Finished{}, &Record{}, &Worker{}} {
			if Decode(text, into) != nil {
				continue
			}
			again, err := Encode(into)
			if err != nil {
				t.Fatalf("%T was read and cannot be written: %v", into, err)
			}
			if err := Decode(again, into); err != nil {
				t.Fatalf("%s: %v", again, err)
			}
		}
	})
}
