package jobs

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
)

// Errors of a Service. Test with errors.Is.
var (
	// ErrNotFound: there is no such job.
	ErrNotFound = errors.New("no such job")
	// ErrState: the job is in a state in which this cannot be done.
	ErrState = errors.New("not possible in this state")
	// ErrInvalid: the request is malformed.
	ErrInvalid = errors.New("invalid request")
	// ErrConflict: the job changed again and again meanwhile.
	ErrConflict = errors.New("changed by somebody else")
)

// QuotaError refuses a job because too many items of its tenant wait.
type QuotaError struct {
	Waiting, Quota int
	// RetryAfter is when trying again may help.
	RetryAfter time.Duration
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("%d pictures are waiting, at most %d may: try again later", e.Waiting, e.Quota)
}

// Service is what callers do with jobs. It keeps nothing: several of them, in several processes,
// may serve the same queue and store. Its methods may be called by several goroutines.
type Service struct {
	Engine queue.Engine
	Store  store.Store
	// Sources are those that jobs may name.
	Sources map[string]store.Store
	// Quota bounds the items of unfinished jobs of each tenant; 0: no bound.
	Quota int
	Log   *slog.Logger
}

func (s *Service) jobs() (queue.Bucket, error) { return s.Engine.Bucket(queue.BucketJobs) }
