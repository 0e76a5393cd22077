package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/serve/outbound"
)

// atOnce is how many requests are sent at the same time: slow receivers must not hold up others.
const atOnce = 8

// Delays between the attempts of a request: 5 s, doubled up to an hour. With them, the last of
// mostTries attempts is made after about 24 hours.
const (
	firstDelay = 5 * time.Second
	mostDelay  = time.Hour
	mostTries  = 33
)

// A message may come before the job's state has changed. It is looked at again for some seconds;
// then the job was resumed, and its end will have a message of its own.
const (
	earlyDelay = time.Second
	mostEarly  = 10
)

// Sender sends the webhooks of jobs. Make it with New.
type Sender struct {
	jobs   *jobs.Service
	secret []byte
	log    *slog.Logger
	client *http.Client

	firstDelay, earlyDelay time.Duration
}

// New makes a sender that signs with secret, see ParseSecret. It connects to public addresses only.
func New(service *jobs.Service, secret []byte, log *slog.Logger) *Sender {
	return newWith(service, secret, log, outbound.PublicOnly)
}

func newWith(service *jobs.Service, secret []byte, log *slog.Logger, allow func(netip.AddrPort) error) *Sender {
	return &Sender{jobs: service, secret: secret, log: log, client: newClient(allow), firstDelay: firstDelay, earlyDelay: earlyDelay}
}

// Run sends webhooks until ctx ends. Several senders may run, in several processes. A request is
// sent at least once: after a crash, possibly twice.
func (s *Sender) Run(ctx context.Context) error {
	taker, err := s.jobs.Engine.Take(ctx, queue.TakeOptions{Hooks: true})
	if err != nil {
		return err
	}
	defer taker.Close()
	group, inner := parallel.WithContext(ctx)
	for range atOnce {
		group.Go(func() error {
			for {
				l, err := taker.Take(inner)
				if err != nil {
					return err
				}
				if err := s.handle(inner, l); err != nil && inner.Err() == nil {
					s.log.Warn("a webhook's message", "subject", l.Subject(), "error", err)
				}
			}
		})
	}
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// Event is the body of a request.
type Event struct {
	Type      string      `json:"type"` // job.done, job.failed or job.cancelled
	Timestamp time.Time   `json:"timestamp"`
	Data      jobs.Status `json:"data"`
}

// handle sends what a message asks for, and finishes the message or returns it for another attempt.
func (s *Sender) handle(ctx context.Context, l queue.Lease) error {
	var job schema.Job
	if err := schema.Decode(l.Body(), &job); err != nil {
		return errors.Join(err, l.Term(ctx))
	}
	log := s.log.With("job", job.ID, "tenant", job.Tenant)
	now, err := s.jobs.Status(ctx, job.Tenant, job.ID)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		log.Info("no webhook: the job was deleted")
		return l.Done(ctx)
	case err != nil:
		return errors.Join(err, l.Drop(ctx, s.firstDelay))
	case !now.State.Over() && l.Deliveries() < mostEarly:
		return l.Drop(ctx, s.earlyDelay)
	case !now.State.Over():
		log.Info("no webhook: the job was resumed")
		return l.Done(ctx)
	}
	err = s.send(ctx, job.Webhook, &now)
	delay, last := s.backoff(l.Deliveries())
	var refusal outbound.Refusal
	switch {
	case err == nil:
		log.Info("webhook sent", "state", now.State)
		return l.Done(ctx)
	case ctx.Err() != nil:
		return l.Drop(context.WithoutCancel(ctx), 0)
	case last, errors.As(err, &refusal), errors.Is(err, outbound.ErrNotPublic), errors.Is(err, errGone):
		log.Warn("webhook given up", "host", host(job.Webhook), "attempts", l.Deliveries(), "error", err)
		return l.Done(ctx)
	}
	log.Info("webhook failed and is tried again", "host", host(job.Webhook), "after", delay.String(), "error", err)
	return l.Drop(ctx, delay)
}

// backoff is the delay after an attempt, by its number from 1. last says that it was the last one.
func (s *Sender) backoff(attempt int) (delay time.Duration, last bool) {
	delay = s.firstDelay
	for range attempt - 1 {
		delay = min(2*delay, mostDelay)
	}
	return delay, attempt >= mostTries
}

// send makes one attempt.
func (s *Sender) send(ctx context.Context, address string, st *jobs.Status) error {
	e := Event{Type: "job." + string(st.State), Timestamp: st.Created, Data: *st}
	if st.Ended != nil {
		e.Timestamp = *st.Ended
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// The same for each attempt, so that receivers recognise repetitions.
	id := fmt.Sprintf("%s-%s-%d", st.ID, st.State, e.Timestamp.UnixMilli())
	return s.post(ctx, address, id, body)
}

// host is the part of an address that logs may have: paths and parameters may hold secrets.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
