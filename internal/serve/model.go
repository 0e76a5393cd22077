package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// Localizer is what a model can do; *localize.Model is one.
type Localizer interface {
	LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error)
	Info() localize.Info
}

// Model is a model that is served under a name. The first of a server's models
// answers those who name none.
type Model struct {
	Name        string
	Description string
	KnownLimits []string // where it is known to be wrong, a sentence each
	Localizer   Localizer
}

// batch is how many pictures go through the model together unless it is said.
// On a CPU a batch gains next to nothing, and pictures that go alone get what the
// command line gives to the last bit, however many clients there are.
func (m Model) batch() int {
	if info := m.Localizer.Info(); info.Device == "cpu" || info.SizeMode == localize.SizeTiles {
		return 1
	}
	return 8
}

// lane is a model with its queue. Two workers take pictures from it.
type lane struct {
	Model
	config  Config
	queue   *queue
	batch   int
	work    *budget
	network chan struct{} // holds a token for each run that may be under way
	stats   *stats
	service serviceTime
}

// atOnce is how many batches, of all models together, are in their networks at
// once, and how many a model's workers hold, decoding included. What one leaves idle
// of two cores the other uses: a fifth more pictures a second than one at a
// time; with a third one they get into each other's way.
const atOnce = 2

func newLane(m Model, c Config, work *budget, network chan struct{}, s *stats) *lane {
	l := &lane{Model: m, config: c, queue: newQueue(c.Queue), batch: c.MaxBatch, work: work, network: network, stats: s}
	setDefault(&l.batch, m.batch())
	return l
}

// run works until ctx ends.
func (l *lane) run(ctx context.Context) {
	var wait sync.WaitGroup
	for range atOnce {
		wait.Go(func() {
			for {
				limit := l.config.memoryWork() / bytesPerPixel / atOnce
				tasks := l.queue.take(ctx, l.batch, limit, l.config.MaxWait)
				if tasks == nil {
					return
				}
				l.serve(tasks)
			}
		})
	}
	wait.Wait()
}

// serve takes a batch through decoding and the network.
func (l *lane) serve(tasks []*task) {
	ctx, cancel := anyOf(tasks)
	defer cancel()
	release, err := l.reserve(ctx, tasks)
	if err != nil {
		fail(tasks, err)
		return
	}
	good, decoded := l.decode(tasks, release)
	if len(good) == 0 {
		return
	}
	select {
	case l.network <- struct{}{}:
	case <-ctx.Done():
		failAll(good, release, ctx.Err())
		return
	}
	start := time.Now()
	results, err := l.localize(ctx, decoded)
	<-l.network
	if err != nil {
		failAll(good, release, err)
		return
	}
	took := time.Since(start)
	l.service.add(took / time.Duration(len(good)))
	l.stats.ran(l.Name, len(good), took)
	for i, t := range good {
		t.deliver(outcome{decoded: decoded[i], result: results[i], release: release(t)})
	}
}

// reserve takes the memory for a batch. release gives what hands back the share
// of one of its tasks, once.
func (l *lane) reserve(ctx context.Context, tasks []*task) (release func(*task) func(), err error) {
	total := int64(0)
	for _, t := range tasks {
		total += bytesPerPixel * t.pixels
	}
	if err := l.work.take(ctx, total); err != nil {
		return nil, err
	}
	return func(t *task) func() {
		return sync.OnceFunc(func() { l.work.give(bytesPerPixel * t.pixels) })
	}, nil
}

// decode decodes the pictures of a batch. Those that cannot be are answered, as
// are those whose clients have left.
func (l *lane) decode(tasks []*task, release func(*task) func()) (good []*task, decoded []*picture.Picture) {
	start := time.Now()
	all, errs := make([]*picture.Picture, len(tasks)), make([]error, len(tasks))
	var group parallel.Group
	group.SetLimit(atOnce)
	for i, t := range tasks {
		group.Go(func() error {
			if errs[i] = t.ctx.Err(); errs[i] == nil {
				all[i], errs[i] = picture.Decode(t.data, picture.Limits{MaxPixels: l.config.MaxPixels})
				if errs[i] != nil {
					errs[i] = badPicture(errs[i])
				}
			}
			return nil
		})
	}
	_ = group.Wait() // errors are kept by picture
	l.stats.took(l.Name, stageDecode, time.Since(start))
	for i, t := range tasks {
		if errs[i] != nil {
			t.deliver(outcome{err: errs[i], release: release(t)})
			continue
		}
		good, decoded = append(good, t), append(decoded, all[i])
	}
	return good, decoded
}

// localize runs the network. A panic there ends the batch, not the server.
func (l *lane) localize(ctx context.Context, decoded []*picture.Picture) (results []*localize.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in model %s: %v\n%s", l.Name, p, debug.Stack())
		}
	}()
	return l.Localizer.LocalizeBatch(ctx, decoded)
}

// anyOf gives a context that ends when those of all tasks have ended.
func anyOf(tasks []*task) (context.Context, context.CancelFunc) {
	if len(tasks) == 1 {
		return context.WithCancel(tasks[0].ctx)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var left sync.WaitGroup
	var stops []func() bool
	for _, t := range tasks {
		left.Add(1)
		stops = append(stops, context.AfterFunc(t.ctx, left.Done))
	}
	go func() {
		left.Wait()
		cancel()
	}()
	return ctx, func() {
		for _, stop := range stops {
			if stop() {
				left.Done()
			}
		}
		cancel()
	}
}

func fail(tasks []*task, err error) {
	for _, t := range tasks {
		t.deliver(outcome{err: err, release: func() {}})
	}
}

func failAll(tasks []*task, release func(*task) func(), err error) {
	for _, t := range tasks {
		t.deliver(outcome{err: err, release: release(t)})
	}
}

// serviceTime is a running mean of the time a picture takes in a network.
type serviceTime struct {
	mu   sync.Mutex
	mean time.Duration
}

func (s *serviceTime) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mean == 0 {
		s.mean = d
	}
	s.mean += (d - s.mean) / 8
}

func (s *serviceTime) get() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mean
}

// wait estimates how long a picture would wait that came in now.
func (l *lane) wait() time.Duration {
	return time.Duration(l.queue.length()+1) * l.service.get()
}
