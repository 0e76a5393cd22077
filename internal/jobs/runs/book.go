package runs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
)

// Errors of a Book and a Claim. Test with errors.Is.
var (
	// ErrUnknown: there is no such run yet.
	ErrUnknown = errors.New("not begun")
	// ErrOver: the run is done or has failed.
	ErrOver = errors.New("the run is over")
	// ErrLost: another worker has claimed the run.
	ErrLost = errors.New("another worker has taken over")
)

// Book has the runs of a queue and a store.
type Book struct {
	bucket queue.Bucket
	store  store.Store
}

// New opens the book of a queue and a store.
func New(engine queue.Engine, s store.Store) (*Book, error) {
	bucket, err := engine.Bucket(queue.BucketRuns)
	return &Book{bucket, s}, err
}

// resultName is the object that lists the files of a finished run.
const resultName = "done.json"

func object(run, name string) string { return "runs/" + run + "/" + name }

// Look tells what is known about a run: its result, if there is one, or else how far it is. The
// error is ErrUnknown for a run that no worker has begun.
func (b *Book) Look(ctx context.Context, run string) (Entry, error) {
	e, err := b.result(ctx, run)
	if !errors.Is(err, ErrUnknown) {
		return e, err
	}
	e, _, err = b.entry(ctx, run)
	return e, err
}

// result reads the list of a finished run's files.
func (b *Book) result(ctx context.Context, run string) (Entry, error) {
	body, _, err := b.store.Get(ctx, object(run, resultName))
	if errors.Is(err, store.ErrNotFound) {
		return Entry{}, fmt.Errorf("run %s: %w", run, ErrUnknown)
	}
	if err != nil {
		return Entry{}, err
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(body, most))
	if err := errors.Join(err, body.Close()); err != nil {
		return Entry{}, err
	}
	return decode(text)
}

// entry reads a run's entry in the queue and its revision.
func (b *Book) entry(ctx context.Context, run string) (Entry, uint64, error) {
	key, err := queue.RunKey(run)
	if err != nil {
		return Entry{}, 0, err
	}
	value, err := b.bucket.Get(ctx, key)
	if errors.Is(err, queue.ErrNotFound) {
		return Entry{}, 0, fmt.Errorf("run %s: %w", run, ErrUnknown)
	}
	if err != nil {
		return Entry{}, 0, err
	}
	e, err := decode(value.Value)
	return e, value.Revision, err
}

// Reset forgets that a run has failed, so that it can be claimed again. Its last checkpoint stays.
func (b *Book) Reset(ctx context.Context, run string) error {
	e, revision, err := b.entry(ctx, run)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil || e.State == Running && e.Starts == 0 && e.Refused == 0 {
		return err
	}
	if e.State == Done {
		there, err := b.stored(ctx, e.Files)
		if err != nil {
			return err
		}
		if there { // the worker died before it wrote the result
			return b.finish(ctx, run, &e)
		}
		e.Step, e.Files = 0, nil // they were deleted
	}
	e.State, e.Starts, e.Refused, e.Problem = Running, 0, 0, ""
	_, err = b.write(ctx, run, &e, revision)
	if errors.Is(err, ErrLost) {
		return nil // a worker has it
	}
	return err
}

// stored tells whether the objects of all files are there.
func (b *Book) stored(ctx context.Context, list []File) (bool, error) {
	for _, f := range list {
		_, err := b.store.Stat(ctx, f.Key)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// write writes a run's entry, whose last change must be revision; 0 means that there is none.
func (b *Book) write(ctx context.Context, run string, e *Entry, revision uint64) (uint64, error) {
	e.V = version
	value, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	key, err := queue.RunKey(run)
	if err != nil {
		return 0, err
	}
	if revision == 0 {
		revision, err = b.bucket.Create(ctx, key, value)
	} else {
		revision, err = b.bucket.Update(ctx, key, value, revision)
	}
	if errors.Is(err, queue.ErrConflict) || errors.Is(err, queue.ErrExists) {
		return 0, fmt.Errorf("run %s: %w", run, ErrLost)
	}
	return revision, err
}

// Publish stores the files of a run that was finished without a claim, unless it has a result.
func (b *Book) Publish(ctx context.Context, run, dir string, names []string) error {
	_, err := b.result(ctx, run)
	if !errors.Is(err, ErrUnknown) {
		return err
	}
	e := Entry{V: version, State: Done}
	if e.Files, err = b.upload(ctx, run, "published", dir, names); err != nil {
		return err
	}
	return b.finish(ctx, run, &e)
}

// finish writes the result of a run, unless it has one.
func (b *Book) finish(ctx context.Context, run string, e *Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := b.store.PutIfAbsent(ctx, object(run, resultName), bytes.NewReader(text)); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// upload stores files of a directory below a name that no other claim uses.
func (b *Book) upload(ctx context.Context, run, below, dir string, names []string) (list []File, err error) {
	for _, name := range names {
		f := File{Name: name, Key: object(run, below+"/"+name)}
		if !plain(name) {
			return nil, fmt.Errorf("run %s: %w: a file is named %.80q", run, ErrInvalid, name)
		}
		if f.SHA256, f.Size, err = b.put(ctx, f.Key, filepath.Join(dir, name)); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// put stores a file and returns the digest and the number of the bytes that it has read.
func (b *Book) put(ctx context.Context, key, path string) (digest string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	sum := sha256.New()
	count := &counter{from: io.TeeReader(f, sum)}
	if err := b.store.Put(ctx, key, count); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(sum.Sum(nil)), count.n, nil
}

// counter counts the bytes that are read.
type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// Fetch writes the files of an entry into a directory, which is created if it is missing. The error
// wraps store.ErrNotFound if an object is gone.
func (b *Book) Fetch(ctx context.Context, e Entry, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range e.Files {
		if err := b.get(ctx, f, filepath.Join(dir, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) get(ctx context.Context, f File, path string) error {
	body, _, err := b.store.Get(ctx, f.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	return files.WriteSynced(path, func(w io.Writer) error {
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, sum), body); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
			return fmt.Errorf("object %s: it has the SHA-256 %s, expected %s", f.Key, got, f.SHA256)
		}
		return nil
	})
}

// remove deletes the objects of files.
func (b *Book) remove(ctx context.Context, list []File) error {
	var errs []error
	for _, f := range list {
		errs = append(errs, b.store.Delete(ctx, f.Key))
	}
	return errors.Join(errs...)
}
