package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// apiPrefix begins the subjects of requests to the servers.
const apiPrefix = "$JS.API."

// response has the fields of all answers that are asked for here.
type response struct {
	Error  *jetstream.APIError `json:"error"`
	Purged int                 `json:"purged"`
	Total  int                 `json:"total"`
	State  struct {
		Subjects map[string]uint64 `json:"subjects"`
	} `json:"state"`
	Message struct {
		Time time.Time `json:"time"`
		Seq  uint64    `json:"seq"`
		Data []byte    `json:"data"`
		Hdrs []byte    `json:"hdrs"`
	} `json:"message"`
}

// api makes a request that the client library has no function for, and passes the answer to use.
func (e *JetStream) api(ctx context.Context, request string, body any, use func(response)) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return e.call(ctx, apiPrefix+request, func(ctx context.Context) error {
		m, err := e.conn.RequestWithContext(ctx, apiPrefix+request, data)
		if err != nil {
			return err
		}
		var r response
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("the answer to %s cannot be read: %w", request, err)
		}
		if r.Error != nil {
			return r.Error
		}
		use(r)
		return nil
	})
}

// Codes of the servers' errors that the client library has no names for.
const (
	codeStoreFailed        jetstream.ErrorCode = 10077 // the text says why
	codeStorageExceeded    jetstream.ErrorCode = 10047
	codeInsufficient       jetstream.ErrorCode = 10023
	codeNoMessage          jetstream.ErrorCode = 10037
	codeWrongLastSeq       jetstream.ErrorCode = 10071
	codeWrongLastSeqShared jetstream.ErrorCode = 10164 // the same of streams with copies
)

// errSubjectTaken: a work or hook message with this subject is in the queue.
var errSubjectTaken = errors.New("a message with this subject is in the queue")

// class wraps an error of the client or a server in one of this package.
func class(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		return classAPI(api, err)
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrStaleConnection),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, nats.ErrConnectionClosed):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

func classAPI(api *jetstream.APIError, err error) error {
	switch api.ErrorCode {
	case codeStoreFailed:
		if strings.Contains(api.Description, "per subject") {
			return errSubjectTaken
		}
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeStorageExceeded, codeInsufficient:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeNoMessage, jetstream.JSErrCodeConsumerNotFound, jetstream.JSErrCodeConsumerDoesNotExist:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case codeWrongLastSeq, codeWrongLastSeqShared:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case jetstream.JSErrCodeStreamNotFound:
		// A dispatcher makes it again.
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if api.Code == 503 {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// calls are the requests that wait for an answer. The servers say that a subject is denied by the
// way, not as an answer, which never comes.
type calls struct {
	mu   sync.Mutex
	list map[*waiting]bool
	// noAnswers is the subject for answers, if the credentials do not permit to subscribe to it.
	noAnswers string
}

type waiting struct {
	subject string
	cancel  context.CancelCauseFunc
}

// add registers a call until remove is called.
func (c *calls) add(subject string, cancel context.CancelCauseFunc) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noAnswers != "" {
		cancel(denied(c.noAnswers))
	}
	if c.list == nil {
		c.list = map[*waiting]bool{}
	}
	w := &waiting{subject, cancel}
	c.list[w] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.list, w)
	}
}

// deny ends the calls to a subject.
func (c *calls) deny(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.list {
		if strings.HasPrefix(subject, w.subject) {
			w.cancel(denied(subject))
		}
	}
}

// denyAnswers ends all calls: without a subscription to subject there are no answers.
func (c *calls) denyAnswers(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noAnswers = subject
	for w := range c.list {
		w.cancel(denied(subject))
	}
}

func denied(subject string) error { return fmt.Errorf("%s: %w", subject, ErrDenied) }

// violation takes the subject out of the servers' word that it is denied; subscription says that it
// is about listening.
func violation(err error) (subject string, subscription, ok bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", false, false
	}
	text := err.Error()
	_, rest, found := strings.Cut(text, `"`)
	subject, _, ended := strings.Cut(rest, `"`)
	return subject, strings.Contains(text, "Subscription"), found && ended
}
