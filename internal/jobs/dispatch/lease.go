package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// leaseName is the one lease of dispatchers: a single one serves all jobs, because only who sees
// all of them can share the workers among tenants.
const leaseName = "all"

// errLost ends the context of a dispatcher whose lease has expired or was taken.
var errLost = errors.New("the dispatcher's lease is lost")

// hold waits for the lease and renews it from then on. The context that it returns ends when the
// lease is lost or release was called, which gives it back.
func (d *Dispatcher) hold(ctx context.Context) (held context.Context, release func(), err error) {
	if d.Alone {
		return ctx, func() {}, nil
	}
	key, err := queue.DispatchKey(leaseName)
	if err != nil {
		return nil, nil, err
	}
	for {
		revision, err := d.leases.Create(ctx, key, []byte(d.ID))
		if err == nil {
			held, lose := context.WithCancelCause(ctx)
			renewed := parallel.Go(func() error {
				lose(d.renew(held, key, revision))
				return nil
			})
			return held, func() {
				lose(nil)
				<-renewed //nolint:errcheck // it has no error
			}, nil
		}
		if !errors.Is(err, queue.ErrExists) && !d.passing(ctx, err) {
			return nil, nil, err
		}
		if err := parallel.Sleep(ctx, time.Second); err != nil {
			return nil, nil, err
		}
	}
}

// renew renews the lease until that fails. It gives the lease back when ctx ends.
func (d *Dispatcher) renew(ctx context.Context, key string, revision uint64) error {
	renewed := time.Now()
	for {
		if err := parallel.Sleep(ctx, queue.LeaseRenew); err != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), queue.LeaseRenew)
			defer cancel()
			_ = d.leases.Delete(last, key, revision) // or it expires
			return err
		}
		attempt, cancel := context.WithTimeout(ctx, queue.LeaseRenew)
		next, err := d.leases.Update(attempt, key, []byte(d.ID), revision)
		cancel()
		switch {
		case err == nil:
			revision, renewed = next, time.Now()
		case errors.Is(err, queue.ErrConflict), errors.Is(err, queue.ErrNotFound), time.Since(renewed) > queue.LeaseTTL:
			return errLost
		}
	}
}

// passing reports whether an error goes away by itself, and logs it. It is false when ctx has
// ended.
func (d *Dispatcher) passing(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		d.Log.Warn("dispatcher waits", "error", err)
		return parallel.Sleep(ctx, time.Second) == nil
	}
	return false
}
