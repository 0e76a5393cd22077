package serve

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Localizer finds manipulations in pictures; *localize.Model is one.
type Localizer interface {
	// LocalizeBatch gives one result for each picture, in their order.
	LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error)
	Info() localize.Info
}

// Model is a model that is served under a name. The first model of a server is the default.
type Model struct {
	Name        string
	Description string
	KnownLimits []string  // where the model is known to be wrong, one sentence each
	Licence     *Licence  // nil: not known
	Measured    *Measured // nil: not measured
	Provenance  *localize.Provenance
	Localizer   Localizer
	// Coefficients says that the model reads the coefficients of JPEG files, see picture.Limits.
	Coefficients bool
}

// batch is the default number of pictures that run through the model together. On a CPU a batch
// gains almost nothing, and a picture that runs alone gets exactly the result of the command line,
// however many clients there are.
func (m Model) batch() int {
	if info := m.Localizer.Info(); info.Device == "cpu" || info.SizeMode == localize.SizeTiles {
		return 1
	}
	return 8
}

// modelQueue is a model with the queue of its jobs, which workers take from it.
type modelQueue struct {
	Model
	config  Config
	queue   *queue
	batch   int           // pictures that run through the model together
	work    *budget       // memory for pictures in progress, shared by all models
	network chan struct{} // holds a value for each run in progress, of all models
	stats   *stats
	service serviceTime
}

// workersPerModel is the number of a model's workers, and the number of runs that are in progress
// at a time in the networks of all models together. On two cores, two runs process 20% more
// pictures per second than one; a third slows the others down.
const workersPerModel = 2

// afterPanic is how long a worker pauses after a panic outside of a job, so that it cannot spin.
const afterPanic = 100 * time.Millisecond

func newModelQueue(m Model, c Config, work *budget, network chan struct{}, s *stats) *modelQueue {
	q := &modelQueue{Model: m, config: c, queue: newQueue(c.Queue), batch: c.MaxBatch, work: work, network: network, stats: s}
	if q.batch == 0 {
		q.batch = m.batch()
	}
	return q
}

// run is one worker: it takes jobs until ctx ends. No panic ends it.
func (m *modelQueue) run(ctx context.Context) {
	limit := m.config.memoryWork() / workersPerModel
	for ctx.Err() == nil {
		err := parallel.Catch(func() error {
			if jobs := m.queue.take(ctx, m.batch, limit, m.config.MaxWait); len(jobs) > 0 {
				m.serve(jobs)
			}
			return nil
		})
		if err != nil {
			m.stats.reportFailure(m.config.Log, "", err)
			time.Sleep(afterPanic)
		}
	}
}

// serve finishes all jobs of a batch. An error of the whole batch is that of each of its jobs.
func (m *modelQueue) serve(jobs []*job) {
	err := parallel.Catch(func() error { return m.process(jobs) })
	for _, j := range jobs {
		m.finish(j, nil, nil, err)
	}
}

// finish finishes a job. A panic of a job whose client has left is logged here, because no request
// reports it.
func (m *modelQueue) finish(j *job, decoded *picture.Picture, result *localize.Result, err error) {
	if delivered := j.finish(decoded, result, err); !delivered && parallel.Stack(err) != nil {
		m.stats.reportFailure(m.config.Log, "", err)
	}
}

// process decodes the pictures of a batch and runs the network. It finishes the jobs that it has a
// result or an error for; its own error goes to the others.
func (m *modelQueue) process(jobs []*job) error {
	ctx, cancel := anyOf(jobs)
	defer cancel()
	if err := m.reserve(ctx, jobs); err != nil {
		return err
	}
	jobs, decoded := m.decode(jobs)
	if len(jobs) == 0 {
		return nil
	}
	results, err := m.localize(ctx, decoded)
	if err != nil && len(jobs) > 1 && ctx.Err() == nil {
		return m.localizeEach(jobs, decoded)
	}
	if err != nil {
		return err
	}
	for i, j := range jobs {
		m.finish(j, decoded[i], results[i], nil)
	}
	return nil
}

// localizeEach runs the pictures of a failed batch one by one, so that only the picture at fault
// fails.
func (m *modelQueue) localizeEach(jobs []*job, decoded []*picture.Picture) error {
	for i, j := range jobs {
		results, err := m.localize(j.ctx, decoded[i:i+1])
		if err != nil {
			m.finish(j, nil, nil, err)
			continue
		}
		m.finish(j, decoded[i], results[0], nil)
	}
	return nil
}

// reserve waits for the memory of a batch. Each job then holds its share.
func (m *modelQueue) reserve(ctx context.Context, jobs []*job) error {
	total := int64(0)
	for _, j := range jobs {
		total += j.bytes
	}
	if err := m.work.take(ctx, total); err != nil {
		return err
	}
	for _, j := range jobs {
		j.reserve()
	}
	return nil
}

// decode decodes the pictures of a batch. Jobs whose picture cannot be decoded, or whose client has
// left, are finished; decode returns the others with their pictures.
func (m *modelQueue) decode(jobs []*job) (good []*job, decoded []*picture.Picture) {
	start := time.Now()
	pictures, errs := make([]*picture.Picture, len(jobs)), make([]error, len(jobs))
	var group parallel.Group
	group.SetLimit(workersPerModel)
	for i, j := range jobs {
		group.Go(func() error {
			defer parallel.Recover(&errs[i])
			pictures[i], errs[i] = m.decodePicture(j)
			return nil
		})
	}
	_ = group.Wait() // errors are kept for each picture
	m.stats.took(m.Name, stageDecode, time.Since(start))
	for i, j := range jobs {
		if errs[i] != nil {
			m.finish(j, nil, nil, errs[i])
			continue
		}
		good, decoded = append(good, j), append(decoded, pictures[i])
	}
	return good, decoded
}

func (m *modelQueue) decodePicture(j *job) (*picture.Picture, error) {
	if err := j.ctx.Err(); err != nil {
		return nil, err
	}
	p, err := j.opened.Decode(j.ctx, picture.Limits{MaxPixels: m.config.MaxPixels, Coefficients: m.Coefficients})
	if err != nil {
		return nil, badPicture(err)
	}
	return p, nil
}

// localize runs the network, after waiting for its turn. A panic becomes an error.
func (m *modelQueue) localize(ctx context.Context, pictures []*picture.Picture) (results []*localize.Result, err error) {
	select {
	case m.network <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-m.network }()
	defer parallel.Recover(&err)
	start := time.Now()
	results, err = m.Localizer.LocalizeBatch(ctx, pictures)
	if err == nil {
		took := time.Since(start)
		m.service.add(took / time.Duration(len(pictures)))
		m.stats.ran(m.Name, len(pictures), took)
	}
	return results, err
}

// anyOf gives a context that ends when the contexts of all jobs have ended.
func anyOf(jobs []*job) (context.Context, context.CancelFunc) {
	if len(jobs) == 1 {
		return context.WithCancel(jobs[0].ctx)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var waiting atomic.Int64
	waiting.Store(int64(len(jobs)))
	stops := make([]func() bool, len(jobs))
	for i, j := range jobs {
		stops[i] = context.AfterFunc(j.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// serviceTime is a running mean of the time that the network takes for a picture.
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

// wait estimates how long a picture that arrives now would wait.
func (m *modelQueue) wait() time.Duration {
	return time.Duration(m.queue.length()+1) * m.service.get()
}
