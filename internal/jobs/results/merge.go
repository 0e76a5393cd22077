package results

import (
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// Merge writes the results of a job in all formats and returns their numbers. If an item has no
// record, nothing is written and the error wraps ErrIncomplete. Memory does not grow with the job.
func Merge(ctx context.Context, in store.Store, job *schema.Job) (schema.Counts, error) {
	group, ctx := parallel.WithContext(ctx)
	jsonl, parquet := newPipe(ctx, group, in, job.ResultsKey(schema.FormatJSONL)), newPipe(ctx, group, in, job.ResultsKey(schema.FormatParquet))
	var counts schema.Counts
	group.Go(func() error {
		err := writeBoth(ctx, in, job, jsonl, parquet, &counts)
		// The writers of objects end without an object if err is not nil.
		jsonl.CloseWithError(err)
		parquet.CloseWithError(err)
		return err
	})
	err := group.Wait()
	return counts, err
}

// newPipe starts to write an object with what is written to the pipe.
func newPipe(ctx context.Context, group *parallel.Group, to store.Store, key string) *io.PipeWriter {
	r, w := io.Pipe()
	group.Go(func() error {
		err := to.Put(ctx, key, r)
		r.CloseWithError(err)
		if err != nil {
			return fmt.Errorf("results: %w", err)
		}
		return nil
	})
	return w
}

// writeBoth writes the records to both forms of the results.
func writeBoth(ctx context.Context, from store.Store, job *schema.Job, jsonl, parquet io.Writer, counts *schema.Counts) error {
	packed, err := zstd.NewWriter(jsonl, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer packed.Close()
	rows := newRows(parquet)
	s := NewStream(from, job, 0)
	for l := range s.All(ctx) {
		letOthersRun(l.Record.Item)
		if _, err := packed.Write(l.Text); err != nil {
			return err
		}
		if err := rows.add(&l.Record); err != nil {
			return err
		}
		count(counts, &l.Record)
	}
	if err := s.complete(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return rows.close()
}

// count adds a record to the counts.
func count(c *schema.Counts, r *schema.Record) {
	c.Done++
	if r.Status != schema.StatusOK {
		c.Failed++
	}
	if r.Status == schema.StatusDead {
		c.Dead++
	}
	if r.Flagged {
		c.Flagged++
	}
}

// Finished is the event of a part that is in the store, for events that were lost.
func Finished(ctx context.Context, from store.Store, job *schema.Job, r schema.Range, worker string) (schema.Finished, error) {
	lines, err := readPart(ctx, from, job, r)
	if err != nil {
		return schema.Finished{}, err
	}
	f := schema.Finished{V: schema.Version, Job: job.ID, From: r.From, N: r.N, Worker: worker}
	var c schema.Counts
	var records []schema.Record
	for _, l := range lines {
		count(&c, &l.record)
		f.MS += l.record.MS
		records = append(records, l.record)
	}
	f.OK, f.Failed, f.Dead, f.Flagged = c.Done-c.Failed, c.Failed, c.Dead, c.Flagged
	_, f.PartSHA256, err = EncodePart(records)
	return f, err
}
