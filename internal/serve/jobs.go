package serve

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/declip/declip/internal/jobs"
	jobqueue "github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// Jobs lets clients submit lists of pictures of any length. The server only talks to the queue and
// the store; dispatchers and workers do the work, in this process or in others.
type Jobs struct {
	Service *jobs.Service
	// Tenant has the jobs of requests with Access.Token, or without a token.
	Tenant string
	// Models are those that jobs may name, by the names of the served models.
	Models map[string]JobModel
	// Webhooks says that somebody sends the webhooks of jobs (serve/webhook).
	Webhooks bool
	// Metrics of jobs are added to those of the server; nil: none.
	Metrics prometheus.Collector
}

// JobModel is a served model as jobs know it.
type JobModel struct {
	Digest string
	// Class is that of the devices; "" is the class of the workers that have the model.
	Class jobqueue.Class
}

// Tenant is somebody with jobs of its own.
type Tenant struct {
	Name  string // letters, digits, - and _
	Token string
}

// jobsBody says in modelsBody what jobs may name.
type jobsBody struct {
	Sources  []string `json:"sources"`
	Quota    int      `json:"quota"` // pictures of unfinished jobs of a tenant; 0: no bound
	Webhooks bool     `json:"webhooks"`
}

// describe gives nil if the server has no jobs.
func (j *Jobs) describe() *jobsBody {
	if j == nil {
		return nil
	}
	b := &jobsBody{Sources: []string{}, Quota: j.Service.Quota, Webhooks: j.Webhooks}
	for name := range j.Service.Sources {
		b.Sources = append(b.Sources, name)
	}
	slices.Sort(b.Sources)
	return b
}

func (j *Jobs) validate() error {
	switch {
	case j == nil:
		return nil
	case j.Service == nil || j.Service.Engine == nil || j.Service.Store == nil:
		return errors.New("jobs: expected a queue and a store")
	}
	return jobqueue.CheckToken(j.Tenant)
}

// Parameters of the routes of jobs.
const (
	paramFormat = "format"
	paramAfter  = "after"
	paramFollow = "follow"
	paramDead   = "dead"
	paramLimit  = "limit"
	paramCursor = "cursor"
)

// jobRoutes are the routes of jobs. A server without jobs answers them with 404.
func (s *Server) jobRoutes() []route {
	results := []string{paramAfter, paramFormat, paramFollow}
	return []route{
		{routeJobs, http.MethodGet, false, []string{paramLimit, paramCursor}, s.withJobs(s.listJobs)},
		{routeJobs, http.MethodPost, false, nil, s.withJobs(s.submitJob)},
		{routeJob, http.MethodGet, false, nil, s.withJobs(s.describeJob)},
		{routeJob, http.MethodDelete, false, nil, s.withJobs(s.removeJob)},
		{routeJobResults, http.MethodGet, false, results, s.withJobs(s.jobResults)},
		{routeJobEvents, http.MethodGet, false, nil, s.withJobs(s.jobEvents)},
		{routeJobMap, http.MethodGet, false, nil, s.withJobs(s.jobMap)},
		{routeJobPause, http.MethodPost, false, nil, s.withJobs(s.changeJob((*jobs.Service).Pause))},
		{routeJobResume, http.MethodPost, false, nil, s.withJobs(s.changeJob((*jobs.Service).Resume))},
		{routeJobCancel, http.MethodPost, false, nil, s.withJobs(s.changeJob((*jobs.Service).Cancel))},
		{routeJobRetry, http.MethodPost, false, []string{paramDead}, s.withJobs(s.retryJob)},
	}
}

// jobHandler handles a request about jobs of a tenant.
type jobHandler func(w http.ResponseWriter, r *request, c *jobs.Service) error

// withJobs makes a route's handler. Errors of a jobs.Service become problems.
func (s *Server) withJobs(handle jobHandler) func(w http.ResponseWriter, r *request) error {
	return func(w http.ResponseWriter, r *request) error {
		if s.config.Jobs == nil {
			return problemf(http.StatusNotFound, codeNotFound, "this server takes no jobs: it was started without --jobs")
		}
		return s.jobProblem(r, handle(w, r, s.config.Jobs.Service))
	}
}

// jobRetry is when a request may succeed that the queue or the store did not answer.
const jobRetry = 10 * time.Second

// jobProblem maps errors of a jobs.Service to what clients see of them.
func (s *Server) jobProblem(r *request, err error) error {
	var quota *jobs.QuotaError
	switch {
	case err == nil || parallel.Stack(err) != nil || errors.As(err, new(*problem)):
		return err
	case errors.As(err, &quota):
		return busy(quota.RetryAfter, "%v", quota)
	case errors.Is(err, jobs.ErrNotFound):
		return problemf(http.StatusNotFound, codeNotFound, "%v", err)
	case errors.Is(err, jobs.ErrState), errors.Is(err, jobs.ErrConflict):
		return problemf(http.StatusConflict, codeConflict, "%v", err)
	case errors.Is(err, jobs.ErrInvalid):
		return problemf(http.StatusBadRequest, codeRequest, "%v", err)
	case r.Context().Err() != nil:
		return r.Context().Err()
	case errors.Is(err, jobqueue.ErrUnavailable), errors.Is(err, jobqueue.ErrFull), errors.Is(err, store.ErrUnavailable):
		s.config.Log.Warn("queue or store", "id", r.log.id, "error", err.Error())
		p := problemf(http.StatusServiceUnavailable, codeUnavailable, "the queue or the store of jobs does not answer, or is full: try again later")
		p.retry = jobRetry
		return p
	}
	return err
}

// jobID is the identifier of the job that a request is about.
func (r *request) jobID() string { return r.PathValue("id") }

// refuseBody refuses a request that has a body although none is expected.
func refuseBody(r *request) error {
	if r.ContentLength != 0 {
		return problemf(http.StatusBadRequest, codeRequest, "%s of this path takes no body", r.Method)
	}
	return nil
}

// jobList is the response to GET /v1/jobs.
type jobList struct {
	Jobs []jobs.Status `json:"jobs"`
	Next string        `json:"next,omitempty"` // cursor of the next page; empty on the last page
}

// maxListed bounds the jobs of a page of the list.
const maxListed = 1000

// listJobs handles GET /v1/jobs.
func (s *Server) listJobs(w http.ResponseWriter, r *request, c *jobs.Service) error {
	page := jobs.Page{Cursor: r.query.get(paramCursor)}
	if r.query.has(paramLimit) {
		text := r.query.get(paramLimit)
		var err error
		if page.Limit, err = strconv.Atoi(text); err != nil || page.Limit < 1 || page.Limit > maxListed {
			return problemf(http.StatusBadRequest, codeRequest, "limit=%.40q: expected 1 to %d", text, maxListed)
		}
	}
	if r.query.has(paramCursor) && page.Cursor == "" {
		return problemf(http.StatusBadRequest, codeRequest, "cursor is empty: leave it out for the first page")
	}
	list, next, err := c.ListPage(r.Context(), r.tenant, page)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, jobList{append([]jobs.Status{}, list...), next})
	return nil
}

// describeJob handles GET /v1/jobs/{id}.
func (s *Server) describeJob(w http.ResponseWriter, r *request, c *jobs.Service) error {
	st, err := c.Status(r.Context(), r.tenant, r.jobID())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, st)
	return nil
}

// changeJob handles requests that change a job's state. The response is its status.
func (s *Server) changeJob(change func(c *jobs.Service, ctx context.Context, tenant, id string) error) jobHandler {
	return func(w http.ResponseWriter, r *request, c *jobs.Service) error {
		if err := refuseBody(r); err != nil {
			return err
		}
		if err := change(c, r.Context(), r.tenant, r.jobID()); err != nil {
			return err
		}
		return s.describeJob(w, r, c)
	}
}

// removeJob handles DELETE /v1/jobs/{id}.
func (s *Server) removeJob(w http.ResponseWriter, r *request, c *jobs.Service) error {
	if err := refuseBody(r); err != nil {
		return err
	}
	if err := c.Remove(r.Context(), r.tenant, r.jobID()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// retriedBody is the response to POST /v1/jobs/{id}/retry.
type retriedBody struct {
	Retried int         `json:"retried"` // pictures
	Job     jobs.Status `json:"job"`
}

// retryJob handles POST /v1/jobs/{id}/retry.
func (s *Server) retryJob(w http.ResponseWriter, r *request, c *jobs.Service) error {
	dead, err := r.query.flag(paramDead)
	if err := cmp.Or(err, refuseBody(r)); err != nil {
		return err
	}
	n, err := c.Retry(r.Context(), r.tenant, r.jobID(), !dead)
	if err != nil {
		return err
	}
	st, err := c.Status(r.Context(), r.tenant, r.jobID())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, retriedBody{n, st})
	return nil
}

// jobMap handles GET /v1/jobs/{id}/maps/{item}/{view}.
func (s *Server) jobMap(w http.ResponseWriter, r *request, c *jobs.Service) error {
	item, err := strconv.Atoi(r.PathValue("item"))
	if err != nil || item < 0 || item >= schema.MaxItems {
		return problemf(http.StatusNotFound, codeNotFound, "item %.40q: expected the number of a picture of the job", r.PathValue("item"))
	}
	body, info, err := c.Map(r.Context(), r.tenant, r.jobID(), item, r.PathValue("view"))
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", typePNG)
	h.Set("Content-Length", strconv.FormatInt(info.Size, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	return s.copyOrCut(r, s.patient(w), body)
}
