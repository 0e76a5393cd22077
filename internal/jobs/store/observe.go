package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Operation is what is done with a store, as an Observed one tells of it.
type Operation string

// The operations.
const (
	OpGet    Operation = "get" // whole objects and ranges
	OpStat   Operation = "stat"
	OpPut    Operation = "put"
	OpList   Operation = "list"
	OpDelete Operation = "delete"
)

// Operations lists the operations.
var Operations = []Operation{OpGet, OpStat, OpPut, OpList, OpDelete}

// Observed is s, and tells of each operation when it is over: how long the store took, without what
// the caller did in between, and its error or nil.
func Observed(s Store, tell func(op Operation, took time.Duration, err error)) Store {
	return &observed{s, tell}
}

type observed struct {
	Store
	tell func(Operation, time.Duration, error)
}

// timed tells of an operation that is one call.
func (o *observed) timed(op Operation, do func() error) error {
	start := time.Now()
	err := do()
	o.tell(op, time.Since(start), err)
	return err
}

func (o *observed) Get(ctx context.Context, key string) (body io.ReadCloser, info Info, err error) {
	start := time.Now()
	body, info, err = o.Store.Get(ctx, key)
	return o.reading(body, start, err), info, err
}

func (o *observed) GetRange(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	start := time.Now()
	body, err := o.Store.GetRange(ctx, key, offset, n)
	return o.reading(body, start, err), err
}

// reading tells of an object that was opened when it is closed, or at once if it was not opened.
func (o *observed) reading(body io.ReadCloser, start time.Time, err error) io.ReadCloser {
	took := time.Since(start)
	if err != nil {
		o.tell(OpGet, took, err)
		return body
	}
	return &observedBody{ReadCloser: body, took: took, tell: o.tell}
}

func (o *observed) Stat(ctx context.Context, key string) (info Info, err error) {
	err = o.timed(OpStat, func() error {
		info, err = o.Store.Stat(ctx, key)
		return err
	})
	return info, err
}

func (o *observed) Put(ctx context.Context, key string, body io.Reader) error {
	return o.timed(OpPut, func() error { return o.Store.Put(ctx, key, body) })
}

func (o *observed) PutIfAbsent(ctx context.Context, key string, body io.Reader) error {
	return o.timed(OpPut, func() error { return o.Store.PutIfAbsent(ctx, key, body) })
}

func (o *observed) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var took time.Duration
		var failed error
		start := time.Now()
		for info, err := range o.Store.List(ctx, prefix) {
			took += time.Since(start)
			failed = errors.Join(failed, err)
			if !yield(info, err) {
				o.tell(OpList, took, failed)
				return
			}
			start = time.Now()
		}
		o.tell(OpList, took+time.Since(start), failed)
	}
}

func (o *observed) Delete(ctx context.Context, key string) error {
	return o.timed(OpDelete, func() error { return o.Store.Delete(ctx, key) })
}

// observedBody is an object that is being read.
type observedBody struct {
	io.ReadCloser
	took time.Duration
	err  error
	tell func(Operation, time.Duration, error) // nil: it has told
}

func (b *observedBody) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.took += time.Since(start)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

func (b *observedBody) Close() error {
	err := b.ReadCloser.Close()
	if b.tell != nil {
		b.tell(OpGet, b.took, b.err)
		b.tell = nil
	}
	return err
}
