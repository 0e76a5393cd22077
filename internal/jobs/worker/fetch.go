package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// fetchedAhead is how many pictures of a batch are read before they are needed.
const fetchedAhead = 8

// file is a picture's file.
type file struct {
	data   []byte
	digest string
	err    error
}

// fetched are the files of a batch, which are read ahead.
type fetched struct {
	files  []chan file
	tokens chan struct{} // of files that are read and not used
	kept   []string      // digests of the files that were used
}

// fetch begins to read the files of items, in their order.
func (s *slot) fetch(ctx context.Context, source store.Store, items []manifest.Item) *fetched {
	f := &fetched{files: make([]chan file, len(items)), tokens: make(chan struct{}, fetchedAhead), kept: make([]string, len(items))}
	for i := range items {
		f.files[i] = make(chan file, 1)
	}
	parallel.Go(func() error {
		for i := range items {
			select {
			case f.tokens <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			parallel.Go(func() error {
				read := file{}
				read.err = parallel.Catch(func() (err error) {
					read.data, err = s.read(ctx, source, &items[i])
					return err
				})
				if read.err == nil {
					sum := sha256.Sum256(read.data)
					read.digest = hex.EncodeToString(sum[:])
				}
				f.files[i] <- read
				return nil
			})
		}
		return nil
	})
	return f
}

// get waits for a file. It may be called once for each.
func (f *fetched) get(ctx context.Context, i int) (file, error) {
	select {
	case read := <-f.files[i]:
		<-f.tokens
		f.kept[i] = read.digest
		return read, read.err
	case <-ctx.Done():
		return file{}, context.Cause(ctx)
	}
}

// wait waits until a file can be got at once, without using it.
func (f *fetched) wait(ctx context.Context, i int) error {
	select {
	case read := <-f.files[i]:
		f.files[i] <- read
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// digest is the SHA-256 of a file that was used, "" if it could not be read.
func (f *fetched) digest(i int) string { return f.kept[i] }

// read reads a picture's file. While the source does not answer, it tries again.
func (s *slot) read(ctx context.Context, source store.Store, item *manifest.Item) (data []byte, err error) {
	err = s.patiently(ctx, func() (err error) {
		data, err = s.readOnce(ctx, source, item)
		return err
	})
	var code string
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable), ctx.Err() != nil:
		return data, err
	case errors.Is(err, store.ErrNotFound):
		code = schema.CodeNotFound
	case errors.Is(err, store.ErrDenied):
		code = schema.CodeDenied
	case errors.Is(err, errTooLarge):
		code = schema.CodeLarge
	default:
		code = schema.CodePicture
	}
	return nil, &FetchError{schema.Failure{Code: code, Message: err.Error()}}
}

var errTooLarge = errors.New("file too large")

func (s *slot) readOnce(ctx context.Context, source store.Store, item *manifest.Item) ([]byte, error) {
	var body io.ReadCloser
	var err error
	size := item.Size
	if size > 0 {
		body, err = source.GetRange(ctx, item.Key, item.Offset, item.Size)
	} else {
		var info store.Info
		body, info, err = source.Get(ctx, item.Key)
		size = info.Size
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > s.MaxBytes {
		return nil, fmt.Errorf("%s: %w: %d bytes, the limit is %d", item.Name(), errTooLarge, size, s.MaxBytes)
	}
	data, err := io.ReadAll(io.LimitReader(body, s.MaxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > s.MaxBytes:
		return nil, fmt.Errorf("%s: %w: the limit is %d bytes", item.Name(), errTooLarge, s.MaxBytes)
	case item.Size > 0 && int64(len(data)) != item.Size:
		return nil, fmt.Errorf("%s: %w: %d bytes at %d, expected %d", item.Name(), store.ErrNotFound, len(data), item.Offset, item.Size)
	}
	return data, nil
}

// patience is how long a slot waits for a store before it gives its batch back.
const patience = 5 * time.Minute

// patiently repeats f while the store is not available, for up to patience.
func (s *slot) patiently(ctx context.Context, f func() error) error {
	start, delay := time.Now(), time.Second
	for {
		err := f()
		if err == nil || !errors.Is(err, store.ErrUnavailable) || time.Since(start) > patience {
			return err
		}
		s.Log.Warn("a store does not answer", "error", err)
		if parallel.Sleep(ctx, delay) != nil {
			return err
		}
		delay = min(2*delay, time.Minute/2)
	}
}
