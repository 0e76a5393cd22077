package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// DefaultTenant is the tenant where there is only one.
const DefaultTenant = "default"

// Request asks for a job.
type Request struct {
	Tenant string
	// Key makes the request idempotent: a second one with the same key, of the same tenant, gives
	// the job of the first. "" for none.
	Key string
	// Source is the name of the source of the pictures.
	Source string
	// Model is how the caller names the model, and Digest what it is (localize.Digest).
	Model, Digest string
	Class         queue.Class
	Priority      queue.Priority
	Options       schema.Options
	Webhook       string
	// Items are the pictures. They are read once.
	Items iter.Seq2[manifest.Item, error]
}

// job is the job that is asked for, without its items.
func (r *Request) job(id string) schema.Job {
	return schema.Job{
		V: schema.Version, ID: id, Tenant: r.Tenant, State: schema.Queued, Source: r.Source, Model: r.Model,
		Digest: r.Digest, Class: r.Class, Priority: r.Priority, Options: r.Options, Webhook: r.Webhook,
		Created: time.Now().UTC().Round(time.Millisecond),
	}
}

// Submit makes a job. If the request's key was used before, it returns that job, and existed is
// true. A job exists when all of it is written: after an error there is none, and the same request
// may be made again.
func (s *Service) Submit(ctx context.Context, r Request) (job schema.Job, existed bool, err error) {
	job = r.job(schema.NewID(time.Now()))
	if err := job.Check(); err != nil {
		return job, false, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if s.Sources[r.Source] == nil {
		return job, false, fmt.Errorf("%w: source %q is not known", ErrInvalid, r.Source)
	}
	if r.Key != "" {
		if job.ID, err = s.claim(ctx, r.Tenant, r.Key, job.ID); err != nil {
			return job, false, err
		}
		known, _, err := s.read(ctx, r.Tenant, job.ID)
		if err == nil || !errors.Is(err, ErrNotFound) {
			return known, err == nil, err
		}
	}
	if err := s.checkQuota(ctx, r.Tenant, 1); err != nil { // before a long list is read
		return job, false, err
	}
	job.Items, err = manifest.Write(ctx, s.Store, &job, r.Items)
	switch {
	case errors.Is(err, schema.ErrInvalid):
		err = fmt.Errorf("%w: %w", ErrInvalid, err)
	case err == nil && job.Items == 0:
		err = fmt.Errorf("%w: no pictures", ErrInvalid)
	case err == nil:
		err = s.checkQuota(ctx, r.Tenant, job.Items)
	}
	if err != nil {
		return job, false, errors.Join(err, s.removeObjects(context.WithoutCancel(ctx), job.Prefix()))
	}
	_, err = dispatch.SaveJob(ctx, s.Engine, s.Store, &job, 0)
	if errors.Is(err, queue.ErrExists) { // another request with the same key was faster
		job, _, err = s.read(ctx, r.Tenant, job.ID)
		return job, true, err
	}
	return job, false, err
}

// claim gives the identifier of the job of a key: id, or the one of the first request.
func (s *Service) claim(ctx context.Context, tenant, key, id string) (string, error) {
	name := fmt.Sprintf("jobs/%s/keys/%x", tenant, sha256.Sum256([]byte(key)))
	err := s.Store.PutIfAbsent(ctx, name, bytes.NewReader([]byte(id)))
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, store.ErrExists) {
		return "", err
	}
	body, _, err := s.Store.Get(ctx, name)
	if err != nil {
		return "", err
	}
	defer body.Close()
	const most = 64
	text, err := io.ReadAll(io.LimitReader(body, most))
	if err != nil {
		return "", err
	}
	return string(text), queue.CheckToken(string(text))
}

// checkQuota refuses more items of a tenant than may wait.
func (s *Service) checkQuota(ctx context.Context, tenant string, more int) error {
	if s.Quota < 1 {
		return nil
	}
	list, err := s.List(ctx, tenant)
	if err != nil {
		return err
	}
	waiting := 0
	for _, j := range list {
		if !j.State.Over() {
			waiting += j.Items - j.Done
		}
	}
	if waiting+more <= s.Quota {
		return nil
	}
	const retry = time.Minute
	return &QuotaError{waiting, s.Quota, retry}
}

// removeObjects deletes all objects whose names begin with prefix.
func (s *Service) removeObjects(ctx context.Context, prefix string) error {
	var keys []string
	for info, err := range s.Store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		keys = append(keys, info.Key)
	}
	for _, key := range keys {
		if err := s.Store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
