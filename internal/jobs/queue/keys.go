package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers of a deleted key, as other clients of NATS write and read them.
const (
	operationHeader = "KV-Operation"
	operationDelete = "DEL"
	timeHeader      = "Nats-Time-Stamp" // of a direct answer
)

// keys is the Bucket of a JetStream: a stream with a subject for each key.
type keys struct {
	engine *JetStream
	name   string
	prefix string // of the subjects
}

// Bucket is Engine.Bucket.
func (e *JetStream) Bucket(name string) (Bucket, error) {
	if !slices.Contains([]string{BucketJobs, BucketTries, BucketLeases, BucketRuns}, name) {
		return nil, fmt.Errorf("bucket %q: %w", name, ErrNotFound)
	}
	return &keys{e, name, keyPrefix + name + "."}, nil
}

func (k *keys) stream() string { return bucketPrefix + k.name }

func (k *keys) wrap(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", k.name, key, err)
}

// Get is Bucket.Get.
func (k *keys) Get(ctx context.Context, key string) (Entry, error) {
	if err := checkKey(key); err != nil {
		return Entry{}, err
	}
	e, deleted, err := k.get(ctx, key)
	if err == nil && deleted {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, k.wrap(key, err)
	}
	return e, nil
}

// get gives the last change of a key.
func (k *keys) get(ctx context.Context, key string) (e Entry, deleted bool, err error) {
	e, h, err := k.last(ctx, key)
	return e, err == nil && isDeletion(h), err
}

// last gives the last change of a key with its headers.
func (k *keys) last(ctx context.Context, key string) (e Entry, h nats.Header, err error) {
	if k.engine.settings.worker {
		return k.lastDirect(ctx, key)
	}
	var headers []byte
	err = k.engine.api(ctx, "STREAM.MSG.GET."+k.stream(), map[string]any{"last_by_subj": k.prefix + key}, func(r response) {
		e = Entry{Key: key, Value: r.Message.Data, Revision: r.Message.Seq, Time: r.Message.Time}
		headers = r.Message.Hdrs
	})
	if err != nil || len(headers) == 0 {
		return e, nil, err
	}
	h, err = nats.DecodeHeadersMsg(headers)
	return e, h, err
}

// lastDirect is last by a request that names the key in its subject, so that it can be permitted
// for some keys only. The server that answers may be behind the others.
func (k *keys) lastDirect(ctx context.Context, key string) (e Entry, h nats.Header, err error) {
	subject := apiPrefix + "DIRECT.GET." + k.stream() + "." + k.prefix + key
	err = k.engine.call(ctx, subject, func(ctx context.Context) error {
		m, err := k.engine.conn.RequestWithContext(ctx, subject, nil)
		if err != nil {
			return err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "404":
			return ErrNotFound
		default:
			return fmt.Errorf("%w: status %s %s", ErrUnavailable, status, m.Header.Get("Description"))
		}
		revision, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
		if err != nil {
			return fmt.Errorf("the answer has no revision: %w", err)
		}
		e = Entry{Key: key, Value: m.Data, Revision: revision}
		h = m.Header
		return e.Time.UnmarshalText([]byte(m.Header.Get(timeHeader)))
	})
	return e, h, err
}

// isDeletion says whether a message removes its key, by a client or because its time is over.
func isDeletion(h nats.Header) bool {
	return h.Get(operationHeader) != "" || h.Get(jetstream.MarkerReasonHeader) != ""
}

// Create is Bucket.Create.
func (k *keys) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	revision, err := k.write(ctx, key, value, nil, expect(0))
	if errors.Is(err, ErrConflict) {
		// A deleted key has a last change, too.
		e, deleted, getErr := k.get(ctx, key)
		switch {
		case getErr != nil && !isNotFound(getErr):
			return 0, k.wrap(key, getErr)
		case getErr == nil && deleted:
			revision, err = k.write(ctx, key, value, nil, expect(e.Revision))
		}
	}
	if errors.Is(err, ErrConflict) {
		err = ErrExists
	}
	return revision, k.wrap(key, err)
}

// Update is Bucket.Update.
func (k *keys) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if revision == 0 {
		return 0, k.wrap(key, ErrConflict) // would create it
	}
	revision, err := k.write(ctx, key, value, nil, expect(revision))
	return revision, k.wrap(key, err)
}

// Put is Bucket.Put.
func (k *keys) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	revision, err := k.write(ctx, key, value, nil, nil)
	return revision, k.wrap(key, err)
}

// Delete is Bucket.Delete.
func (k *keys) Delete(ctx context.Context, key string, revision uint64) error {
	e, deleted, err := k.get(ctx, key)
	switch {
	case isNotFound(err), err == nil && deleted:
		return nil
	case err != nil:
		return k.wrap(key, err)
	case revision != 0 && e.Revision != revision:
		return k.wrap(key, ErrConflict)
	}
	var last *uint64
	if revision != 0 {
		last = &revision
	}
	_, err = k.write(ctx, key, nil, nats.Header{operationHeader: {operationDelete}}, last)
	return k.wrap(key, err)
}

func expect(revision uint64) *uint64 { return &revision }

// write publishes a change of a key, whose last one must be the given one, if any.
func (k *keys) write(ctx context.Context, key string, value []byte, h nats.Header, last *uint64) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	if err := checkBody(key, value); err != nil {
		return 0, err
	}
	if h == nil {
		h = nats.Header{}
	}
	if last != nil {
		h.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(*last, 10))
	}
	m := &nats.Msg{Subject: k.prefix + key, Data: value, Header: h}
	revision, err := k.engine.publish(ctx, m)
	if errors.Is(err, ErrConflict) {
		// The conflict may be with this very change, if its first answer was lost.
		if e, h, err := k.last(ctx, key); err == nil && h.Get(jetstream.MsgIDHeader) == m.Header.Get(jetstream.MsgIDHeader) {
			return e.Revision, nil
		}
	}
	return revision, err
}

// List is Bucket.List.
func (k *keys) List(ctx context.Context, filter string) (list []Entry, err error) {
	w, err := k.Watch(ctx, filter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return nil, k.wrap(filter, err)
		}
		switch c.Kind {
		case Ready:
			return list, nil
		case Set:
			list = append(list, c.Entry)
		}
	}
}

// Keys is Bucket.Keys.
func (k *keys) Keys(ctx context.Context, filter string) ([]string, error) {
	if err := checkFilter(filter); err != nil {
		return nil, err
	}
	list, err := k.engine.subjects(ctx, k.stream(), k.prefix+filter)
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], k.prefix)
	}
	return list, k.wrap(filter, err)
}

// Watch is Bucket.Watch.
func (k *keys) Watch(_ context.Context, filter string) (Watcher, error) {
	if err := checkFilter(filter); err != nil {
		return nil, err
	}
	c, err := k.engine.read(&cursor{stream: k.stream(), filter: k.prefix + filter, latest: true})
	if err != nil {
		return nil, k.wrap(filter, err)
	}
	return &watcher{cursor: c, prefix: k.prefix}, nil
}

// watcher is the Watcher of a JetStream.
type watcher struct {
	*cursor
	prefix string
	asked  bool // how many entries there are
	ready  bool // Ready was given
	left   uint64
}

// Next is Watcher.Next.
func (w *watcher) Next(ctx context.Context) (Change, error) {
	if !w.asked {
		select {
		case w.left = <-w.first:
			w.asked = true
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		case <-w.life.Done():
			return Change{}, context.Cause(w.life)
		}
	}
	for {
		if w.left == 0 && !w.ready {
			w.ready = true
			return Change{Kind: Ready}, nil
		}
		m, err := w.next(ctx)
		if err != nil {
			return Change{}, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return Change{}, err
		}
		before := !w.ready
		w.left = meta.NumPending
		e := Entry{Key: strings.TrimPrefix(m.Subject(), w.prefix), Revision: meta.Sequence.Stream, Time: meta.Timestamp}
		if !isDeletion(m.Headers()) {
			e.Value = m.Data()
			return Change{Set, e}, nil
		}
		if !before { // was deleted before the watch began
			return Change{Deleted, e}, nil
		}
	}
}
