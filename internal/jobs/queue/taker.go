package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/declip/declip/internal/parallel"
)

const (
	pullFor  = 30 * time.Second // how long a pull request stays with the servers
	pullBeat = 2 * time.Second  // how often they say that they still have it
	askFor   = 2 * time.Second  // for a consumer, before messages are waited for
	againIn  = time.Second      // until a pool that cannot be taken from is tried again
	heldLong = 10 * time.Second // a message held for so long precedes all others
)

// taker is the Taker of a JetStream.
type taker struct {
	engine   *JetStream
	prefetch bool
	pullers  []*puller   // in the order of their priorities
	any      chan *lease // not buffered, as all of them: what is offered is held by its puller
	old      chan *lease // held for heldLong
	life     context.Context
	end      context.CancelCauseFunc
	work     parallel.Group

	mu       sync.Mutex
	waiting  int             // calls of Take
	demand   context.Context // lasts while messages are wanted; else nil
	noDemand context.CancelFunc
	wake     chan struct{} // closed when demand begins
}

// puller holds at most one message of a consumer.
type puller struct {
	taker        *taker
	stream, name string // of the consumer
	pool         string // "" for hook messages
	out          chan *lease

	mu       sync.Mutex
	consumer jetstream.Consumer // nil until it was found
}

func newPuller(t *taker, stream, name, pool string) *puller {
	return &puller{taker: t, stream: stream, name: name, pool: pool, out: make(chan *lease)}
}

// Take is Engine.Take.
func (e *JetStream) Take(_ context.Context, o TakeOptions) (Taker, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &taker{engine: e, prefetch: o.Prefetch, any: make(chan *lease), old: make(chan *lease), wake: make(chan struct{})}
	t.life, t.end = context.WithCancelCause(e.life)
	if o.Prefetch {
		t.demand = t.life
	}
	if o.Hooks {
		t.pullers = []*puller{newPuller(t, hookStream, hookConsumer, "")}
	}
	for _, p := range Priorities {
		for _, pool := range o.Pools {
			t.pullers = append(t.pullers, newPuller(t, workStream, consumer(pool, p), pool))
		}
	}
	if err := e.add(t); err != nil {
		return nil, err
	}
	for _, p := range t.pullers {
		t.work.Go(func() error {
			err := p.run()
			if err != nil {
				t.end(err)
			}
			return err
		})
	}
	return t, nil
}

func (t *taker) Close() error {
	t.engine.remove(t)
	t.end(ErrClosed)
	if err := t.work.Wait(); err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// Take is Taker.Take.
func (t *taker) Take(ctx context.Context) (Lease, error) {
	if !t.prefetch { // nothing is held that could be chosen from
		for _, p := range t.pullers {
			if l := p.ask(ctx); l != nil {
				return l, nil
			}
		}
	}
	t.wait(1)
	l, err := t.receive(ctx)
	t.wait(-1)
	if err != nil {
		return nil, err
	}
	close(l.taken)
	return l, nil
}

// receive takes a message from a puller, which holds its next one back until lease.taken is closed.
func (t *taker) receive(ctx context.Context) (*lease, error) {
	for _, c := range append([]chan *lease{t.old}, t.outs()...) {
		select {
		case l := <-c:
			return l, nil
		default:
		}
	}
	select {
	case l := <-t.old:
		return l, nil
	case l := <-t.any:
		return l, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-t.life.Done():
		return nil, context.Cause(t.life)
	}
}

func (t *taker) outs() []chan *lease {
	var list []chan *lease
	for _, p := range t.pullers {
		list = append(list, p.out)
	}
	return list
}

// wait counts the calls of Take that wait.
func (t *taker) wait(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting += n
	switch {
	case t.prefetch:
	case t.waiting == 0:
		t.noDemand()
		t.demand = nil
	case t.demand == nil:
		t.demand, t.noDemand = context.WithCancel(t.life)
		close(t.wake)
		t.wake = make(chan struct{})
	}
}

// wanted gives a context that lasts while messages are wanted, or nil and a channel that is closed
// when they are.
func (t *taker) wanted() (demand context.Context, wake <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.demand, t.wake
}

// run pulls until the taker is closed or what it does is denied.
func (p *puller) run() error {
	life := p.taker.life
	for life.Err() == nil {
		demand, wake := p.taker.wanted()
		if demand == nil {
			select {
			case <-wake:
			case <-life.Done():
			}
			continue
		}
		err := p.pull(demand)
		if errors.Is(err, ErrDenied) {
			return err
		}
		if err == nil || life.Err() != nil {
			continue
		}
		p.taker.engine.settings.log.Debug("pool cannot be taken from", slog.String("consumer", p.name), slog.Any("error", err))
		select {
		case <-life.Done():
		case <-time.After(againIn):
		}
	}
	return nil
}

// pull takes messages from the consumer until demand ends or the consumer has to be opened again.
func (p *puller) pull(demand context.Context) error {
	messages, err := p.open(demand)
	if err != nil {
		return err
	}
	for demand.Err() == nil {
		m, err := messages.Next(jetstream.NextContext(demand))
		switch {
		case err == nil:
			p.hold(demand, m)
		case demand.Err() != nil:
		case errors.Is(err, jetstream.ErrNoHeartbeat), errors.Is(err, nats.ErrNoResponders):
			// The servers may have changed hands: Next asks again.
		default:
			p.drain(messages)
			return class(err)
		}
	}
	p.drain(messages)
	return nil
}

// find looks the consumer up. It must exist.
func (p *puller) find(ctx context.Context) (c jetstream.Consumer, err error) {
	e := p.taker.engine
	if p.pool == "" {
		if err := e.makeConsumer(ctx, p.stream, e.consumerConfig(p.name, "hook.>", 0)); err != nil {
			return nil, err
		}
	}
	err = e.call(ctx, apiPrefix+"CONSUMER.INFO."+p.stream+"."+p.name, func(ctx context.Context) (err error) {
		c, err = e.js.Consumer(ctx, p.stream, p.name)
		return err
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.consumer = c
	return c, err
}

// ask takes a message if there is one now; nil if there is none, or that cannot be found out.
func (p *puller) ask(ctx context.Context) *lease {
	p.mu.Lock()
	c := p.consumer
	p.mu.Unlock()
	if c == nil {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		defer cancel()
		var err error
		if c, err = p.find(ctx); err != nil {
			return nil
		}
	}
	if ctx.Err() != nil || p.taker.life.Err() != nil {
		return nil
	}
	batch, err := c.FetchNoWait(1)
	if err != nil {
		return nil
	}
	for m := range batch.Messages() {
		if l, err := p.taker.engine.newLease(m, p.pool); err == nil {
			return l
		}
	}
	return nil
}

// open begins to pull from the consumer.
func (p *puller) open(demand context.Context) (jetstream.MessagesContext, error) {
	c, err := p.find(demand)
	if err != nil {
		return nil, err
	}
	// More than one would be held unseen by the client, until AckWait.
	return c.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullFor), jetstream.PullHeartbeat(pullBeat))
}

// drain ends pulling. What the servers have sent meanwhile is offered for a moment and dropped
// then; unseen, it would wait for AckWait.
func (p *puller) drain(messages jetstream.MessagesContext) {
	messages.Drain()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		m, err := messages.Next(jetstream.NextContext(ctx))
		cancel()
		if err != nil {
			return
		}
		moment, cancel := context.WithTimeout(p.taker.life, 100*time.Millisecond)
		p.hold(moment, m)
		cancel()
	}
}

// hold offers a message until it is taken or demand ends; then it is dropped.
func (p *puller) hold(demand context.Context, m jetstream.Msg) {
	l, err := p.taker.engine.newLease(m, p.pool)
	if err != nil {
		p.taker.engine.settings.log.Error("message without a number", slog.String("consumer", p.name), slog.Any("error", err))
		return
	}
	beat := time.NewTicker(p.taker.engine.settings.ackWait / 3)
	defer beat.Stop()
	long := time.NewTimer(heldLong)
	defer long.Stop()
	var old chan *lease // nil: never ready
	for {
		select {
		case p.out <- l:
			<-l.taken
			return
		case p.taker.any <- l:
			<-l.taken
			return
		case old <- l:
			<-l.taken
			return
		case <-long.C:
			old = p.taker.old
		case <-beat.C:
			_ = m.InProgress() // or it is delivered to another after AckWait
		case <-demand.Done():
			_ = m.Nak()
			return
		}
	}
}
