package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

var job = &schema.Job{ID: "J", Tenant: "T", Items: 20, Digest: strings.Repeat("a", 64)}

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// record is a result; score tells who wrote it.
func record(item int, score float64, status schema.Status) schema.Record {
	r := schema.Record{Fields: schema.Fields{Item: item, Key: fmt.Sprint(item, ".jpg"), Status: status, Flagged: score > 0.5, MS: 1}}
	r.Picture = schema.FailedPicture(r.Key)
	if status == schema.StatusOK {
		r.Picture = fmt.Appendf(nil, `{"image":%q,"width":4,"height":3,"format":"jpeg","orientation":1,"model":"lite","score":%g,"score_kind":"mean",`+
			`"mean_probability":0,"manipulated_fraction":0,"threshold":0.5,"regions":[{"box":[1,2,3,4],"area":12,"mean":0.5,"peak":0.75}],"provenance":{"declip":"v1"}}`, r.Key, score)
	} else {
		r.Error, r.Flagged = &schema.Failure{Code: schema.CodeDead, Message: "died"}, false
	}
	return r
}

// part writes a part.
func part(t *testing.T, s store.Store, from, n int, score float64, bad ...int) {
	t.Helper()
	var records []schema.Record
	for i := from; i < from+n; i++ {
		status := schema.StatusOK
		if slices.Contains(bad, i) {
			status = schema.StatusDead
		}
		records = append(records, record(i, score, status))
	}
	data, _, err := EncodePart(records)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(context.Background(), job.PartKey(schema.Range{From: from, N: n}), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// Of several records of an item, the first one that is a result counts.
func TestMerge(t *testing.T) {
	s := openStore(t)
	part(t, s, 0, 8, 0.1, 3)
	part(t, s, 3, 1, 0.9)
	part(t, s, 8, 4, 0.2)
	part(t, s, 10, 10, 0.3, 15)
	if counts, err := Merge(context.Background(), s, job); err != nil || counts != (schema.Counts{Done: 20, Failed: 1, Dead: 1, Flagged: 1}) {
		t.Fatalf("got %+v, %v", counts, err)
	}
	lines := strings.Split(strings.TrimSpace(string(unpack(t, s))), "\n")
	if len(lines) != 20 {
		t.Fatalf("got %d lines, expected 20", len(lines))
	}
	for i, want := range map[int]string{2: `"score":0.1,`, 3: `"score":0.9,`, 9: `"score":0.2,`, 11: `"score":0.2,`, 12: `"score":0.3,`, 15: `"status":"dead"`} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], fmt.Sprintf(`"item":%d,`, i)) {
			t.Errorf("line %d is %s, expected %s", i, lines[i], want)
		}
	}
	rows := readParquet(t, s)
	if len(rows) != 20 || *rows[3].Score != 0.9 || rows[15].Score != nil || *rows[15].ErrorCode != schema.CodeDead ||
		rows[19].Regions[0] != (Region{1, 2, 3, 4, 12, 0.5, 0.75}) || rows[19].Key != "19.jpg" ||
		*rows[19].Provenance != `{"declip":"v1"}` || rows[15].Provenance != nil {
		t.Errorf("the Parquet file holds other rows: %d, %+v", len(rows), rows)
	}
}

func unpack(t *testing.T, s store.Store) []byte {
	t.Helper()
	body, _, err := s.Get(context.Background(), job.ResultsKey(schema.FormatJSONL))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	plain, err := zstd.NewReader(body)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	text, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readParquet(t *testing.T, s store.Store) []Row {
	t.Helper()
	body, info, err := s.Get(context.Background(), job.ResultsKey(schema.FormatParquet))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.Read[Row](bytes.NewReader(data), info.Size)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Without a record of each item there are no results, and nothing of them is left.
func TestMergeIncomplete(t *testing.T) {
	s := openStore(t)
	part(t, s, 0, 8, 0.1)
	part(t, s, 9, 11, 0.1)
	if _, err := Merge(context.Background(), s, job); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "item 8") {
		t.Errorf("got %v, expected that item 8 is missing", err)
	}
	for _, format := range schema.Formats {
		if _, err := s.Stat(context.Background(), job.ResultsKey(format)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: got %v, expected no object", format, err)
		}
	}
}

// A part whose records are not those of its name is refused.
func TestDamagedParts(t *testing.T) {
	good, _, err := EncodePart([]schema.Record{record(4, 0.1, schema.StatusOK), record(5, 0.1, schema.StatusOK)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodePart(good, schema.Range{From: 4, N: 2}); err != nil {
		t.Error(err)
	}
	for _, r := range []schema.Range{{From: 3, N: 2}, {From: 4, N: 1}, {From: 4, N: 3}} {
		if _, err := decodePart(good, r); err == nil {
			t.Errorf("taken for the part %v", r)
		}
	}
	for n := range good {
		if _, err := decodePart(good[:n], schema.Range{From: 4, N: 2}); err == nil {
			t.Errorf("cut to %d bytes and taken", n)
		}
	}
}

// A stream continues where it ended, when more parts have come.
func TestStream(t *testing.T) {
	s := openStore(t)
	part(t, s, 0, 5, 0.1)
	part(t, s, 8, 12, 0.1)
	stream := NewStream(s, job, 2)
	var got []int
	read := func() {
		for l := range stream.All(context.Background()) {
			got = append(got, l.Record.Item)
		}
	}
	read()
	if want := []int{2, 3, 4}; !slices.Equal(got, want) || stream.Next != 5 || stream.Err() != nil {
		t.Errorf("got %v, next %d, %v", got, stream.Next, stream.Err())
	}
	part(t, s, 5, 3, 0.1)
	read()
	if len(got) != 18 || stream.Next != 20 || !slices.IsSorted(got) {
		t.Errorf("got %v, next %d", got, stream.Next)
	}
}

// Items without a result are found with all parts that hold them.
func TestBad(t *testing.T) {
	s := openStore(t)
	part(t, s, 0, 10, 0.1, 3, 7)
	part(t, s, 7, 1, 0.1)
	part(t, s, 10, 9, 0.1)
	part(t, s, 19, 1, 0.1, 19)
	items, parts, err := Bad(context.Background(), s, job, false)
	if want := []int{3, 19}; err != nil || !slices.Equal(items, want) {
		t.Errorf("got items %v, %v, expected %v", items, err, want)
	}
	if want := []schema.Range{{From: 0, N: 10}, {From: 19, N: 1}}; !slices.Equal(parts, want) {
		t.Errorf("got parts %v, expected %v", parts, want)
	}
}
