package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// mapsAtOnce is how many maps of a batch are stored at the same time.
const mapsAtOnce = 4

// compute works on the pictures of a batch.
func (s *slot) compute(b *batch) error {
	if b.message.N == 1 && b.lease.Deliveries() > 1 {
		dead, err := s.suspect(b)
		if err != nil || dead {
			return err
		}
	}
	b.maps.SetLimit(mapsAtOnce)
	pictures := make([]Picture, len(b.items))
	for i := range b.items {
		pictures[i] = Picture{Name: b.items[i].Name(), Data: func(ctx context.Context) ([]byte, error) {
			file, err := b.fetched.get(ctx, i)
			return file.data, err
		}}
	}
	err := s.Work[b.pool].Do(b.ctx, b.job, pictures, func(o Outcome) error { return s.emit(b, o) })
	if err != nil {
		return err
	}
	if len(b.records) != len(b.items) {
		return fmt.Errorf("%d outcomes of %d pictures", len(b.records), len(b.items))
	}
	return nil
}

// emit makes the record of the next picture.
func (s *slot) emit(b *batch, o Outcome) error {
	i := len(b.records)
	if i >= len(b.items) {
		return fmt.Errorf("more outcomes than %d pictures", len(b.items))
	}
	item := b.items[i]
	r := schema.Record{Picture: o.Picture, Fields: schema.Fields{
		Item: b.message.From + i, Key: item.Key, SHA256: b.fetched.digest(i),
		Status: schema.StatusOK, Flagged: o.Flagged, MS: milliseconds(o.Elapsed),
	}}
	if o.Failure != nil {
		r.Picture, r.Status, r.Error, r.Flagged = schema.FailedPicture(item.Name()), schema.StatusError, o.Failure, false
	}
	for _, m := range o.Maps {
		key := b.job.MapKey(r.Item, m.Name)
		r.Maps = append(r.Maps, m.Name)
		b.maps.Go(func() error {
			return s.patiently(b.ctx, func() error { return s.Store.Put(b.ctx, key, bytes.NewReader(m.Data)) })
		})
	}
	b.records = append(b.records, r)
	return nil
}

// FetchError is the error of Picture.Data about a picture that cannot be read, which is the
// picture's outcome. Any other error ends the batch.
type FetchError struct{ Failure schema.Failure }

// Error implements error.
func (e *FetchError) Error() string { return e.Failure.Message }

// AsFailure is the outcome of a picture that failed with err; nil if err ends the batch instead.
// code is that of errors which say nothing else.
func AsFailure(err error, code string) *schema.Failure {
	var fetch *FetchError
	switch {
	case errors.As(err, &fetch):
		return &fetch.Failure
	case parallel.Stack(err) != nil:
		code = schema.CodeInternal
	}
	return &schema.Failure{Code: code, Message: err.Error()}
}
