package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/manifest"
	jobqueue "github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve/outbound"
)

// jobRequest is the body of POST /v1/jobs. The pictures are items, manifest or prefix.
type jobRequest struct {
	Source    string   `json:"source"`
	Items     []string `json:"items,omitempty"`     // keys in the source
	Manifest  string   `json:"manifest,omitempty"`  // key of a list in the source
	Prefix    *string  `json:"prefix,omitempty"`    // of keys in the source; "" is all
	Model     string   `json:"model,omitempty"`     // default: the first of the server
	Threshold *float64 `json:"threshold,omitempty"` // default: that of the server
	Maps      string   `json:"maps,omitempty"`      // default: flagged
	Priority  string   `json:"priority,omitempty"`  // default: bulk
	Webhook   string   `json:"webhook,omitempty"`
}

// submittedBody is the response to POST /v1/jobs.
type submittedBody struct {
	jobs.Status
	LeftOut int `json:"left_out"` // objects below the prefix, and in archives, that are not pictures
	// LeftOutFirst names some of them.
	LeftOutFirst []leftOutBody `json:"left_out_first"`
}

type leftOutBody struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

const (
	// maxJobBytes bounds the body of POST /v1/jobs: longer lists are manifests.
	maxJobBytes = 8 << 20
	// maxKeyBytes bounds the header Idempotency-Key.
	maxKeyBytes = 255
	// namedLeftOut is how many objects that are left out are named.
	namedLeftOut = 5
)

const (
	headerIdempotency = "Idempotency-Key"
	headerLocation    = "Location"
)

// submitJob handles POST /v1/jobs: 202 with a new job, or 200 with the one that was submitted
// before with the same Idempotency-Key.
func (s *Server) submitJob(w http.ResponseWriter, r *request, c *jobs.Service) error {
	asked, err := s.readJobRequest(w, r)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	wanted, err := s.jobOf(r.Context(), asked, c)
	if err != nil {
		return err
	}
	b := submittedBody{LeftOutFirst: []leftOutBody{}}
	wanted.Tenant, wanted.Key = r.tenant, key
	wanted.Items, err = itemsOf(r.Context(), asked, c.Sources[asked.Source], &b)
	if err != nil {
		return err
	}
	job, existed, err := c.Submit(r.Context(), wanted)
	if err != nil {
		return sourceProblem(asked.Source, err)
	}
	status := http.StatusAccepted
	if existed {
		status = http.StatusOK
		if !sameJob(&job, &wanted) {
			return problemf(http.StatusConflict, codeConflict, "%s was used before for another request, which is job %s", headerIdempotency, job.ID)
		}
	}
	if b.Status, err = c.Status(r.Context(), r.tenant, job.ID); err != nil {
		return err
	}
	w.Header().Set(headerLocation, s.linkBase(r.Request)+routeJobs+"/"+job.ID)
	writeJSON(w, status, b)
	return nil
}

// readJobRequest reads the body. Unknown fields are refused, so that a misspelt one is not ignored.
func (s *Server) readJobRequest(w http.ResponseWriter, r *request) (jobRequest, error) {
	var asked jobRequest
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != typeJSON {
		return asked, problemf(http.StatusUnsupportedMediaType, codeRequest, "Content-Type %.60q: expected %s", r.Header.Get("Content-Type"), typeJSON)
	}
	b := s.newBody(w, r.Request, r.deadline)
	b.what = "request"
	defer func() {
		r.log.read = b.read
		b.release()
	}()
	data, err := b.gather(b, maxJobBytes)
	if err != nil {
		return asked, err
	}
	b.finish()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil {
		return asked, problemf(http.StatusBadRequest, codeRequest, "the job cannot be read: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return asked, problemf(http.StatusBadRequest, codeRequest, "the job cannot be read: there is more behind the JSON value")
	}
	return asked, nil
}

func idempotencyKey(r *request) (string, error) {
	key := r.Header.Get(headerIdempotency)
	if r.Header.Values(headerIdempotency) != nil && key == "" || len(key) > maxKeyBytes {
		return "", problemf(http.StatusBadRequest, codeRequest, "%s: expected 1 to %d bytes", headerIdempotency, maxKeyBytes)
	}
	return key, nil
}

// jobOf is the job that is asked for, without its tenant and its pictures.
func (s *Server) jobOf(ctx context.Context, asked jobRequest, c *jobs.Service) (wanted jobs.Request, err error) {
	j := s.config.Jobs
	name := asked.Model
	if name == "" {
		name = s.models[0].Name
	}
	model, ok := j.Models[name]
	if !ok {
		return wanted, problemf(http.StatusNotFound, codeModel, "model %.60q is unknown, expected %s", name, s.modelNames())
	}
	if model.Class == "" {
		if model.Class, err = c.ClassOf(ctx, model.Digest); err != nil {
			return wanted, err
		}
	}
	wanted = jobs.Request{
		Source: asked.Source, Model: name, Digest: model.Digest, Class: model.Class, Priority: jobqueue.Bulk, Webhook: asked.Webhook,
		Options: schema.Options{Threshold: s.config.Threshold, Maps: schema.MapsFlagged, MaxPixels: s.config.MaxPixels},
	}
	if asked.Threshold != nil {
		wanted.Options.Threshold = *asked.Threshold
	}
	if asked.Maps != "" {
		wanted.Options.Maps = asked.Maps
	}
	if asked.Priority != "" {
		wanted.Priority = jobqueue.Priority(asked.Priority)
	}
	return wanted, j.checkWebhook(asked.Webhook)
}

// checkWebhook refuses addresses that could never be called.
func (j *Jobs) checkWebhook(address string) error {
	if address == "" {
		return nil
	}
	if !j.Webhooks {
		return problemf(http.StatusBadRequest, codeRequest, "webhook: this server sends none, it was started without --webhook-secret-file")
	}
	u, err := url.Parse(address)
	if err == nil {
		err = outbound.CheckURL(u)
	}
	if err != nil {
		return problemf(http.StatusBadRequest, codeRequest, "webhook: the URL cannot be used: %v", err)
	}
	return nil
}

// itemsOf gives the pictures of a job. Which of them are left out is noted in b.
func itemsOf(ctx context.Context, asked jobRequest, source store.Store, b *submittedBody) (iter.Seq2[manifest.Item, error], error) {
	given := 0
	for _, is := range []bool{asked.Items != nil, asked.Manifest != "", asked.Prefix != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, problemf(http.StatusBadRequest, codeRequest, "the job has %d of items, manifest and prefix, expected one", given)
	case source == nil:
		return nil, problemf(http.StatusBadRequest, codeRequest, "source %.60q is unknown: the server's sources are in %s", asked.Source, routeModels)
	}
	in := &manifest.Inputs{Source: source, IsPicture: picture.HasExtension, LeftOut: func(name string, reason error) {
		if b.LeftOut++; len(b.LeftOutFirst) < namedLeftOut {
			b.LeftOutFirst = append(b.LeftOutFirst, leftOutBody{name, reason.Error()})
		}
	}}
	switch {
	case asked.Prefix != nil:
		return in.Prefix(ctx, *asked.Prefix), nil
	case asked.Manifest != "":
		return listed(ctx, in, asked.Manifest), nil
	}
	return in.Keys(ctx, asked.Items), nil
}

// listed reads the pictures of a list that is an object of the source.
func listed(ctx context.Context, in *manifest.Inputs, key string) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		err := store.CheckKey(key)
		var body io.ReadCloser
		if err == nil {
			body, _, err = in.Source.Get(ctx, key)
		}
		if err != nil {
			yield(manifest.Item{}, err)
			return
		}
		defer body.Close()
		for item, err := range in.Lines(ctx, body) {
			if err != nil {
				err = fmt.Errorf("%s: %w", key, err)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// sourceProblem makes the client responsible for what it names in a source.
func sourceProblem(source string, err error) error {
	for _, theirs := range []error{store.ErrNotFound, store.ErrInvalid, store.ErrDenied} {
		if errors.Is(err, theirs) && !errors.Is(err, jobs.ErrInvalid) {
			return problemf(http.StatusBadRequest, codeRequest, "source %s: %s", source, strings.TrimSpace(err.Error()))
		}
	}
	return err
}

// sameJob reports whether a job is what a request asks for, as far as the job's entry shows it.
func sameJob(job *schema.Job, r *jobs.Request) bool {
	return job.Source == r.Source && job.Digest == r.Digest && job.Priority == r.Priority && job.Options == r.Options && job.Webhook == r.Webhook
}
