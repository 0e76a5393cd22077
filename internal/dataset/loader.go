package dataset

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Batch is BatchSize examples, ready for a network.
type Batch struct {
	Step   int64     // position in the endless sequence of batches
	Images []float32 // [N,3,H,W], normalised
	Target []float32 // [N,1,h,w], in [0,1]
	// Of makers whose Shape has Coefficients: [N,1,H,W] and [N,1,8,8].
	Coefficients, Steps []float32
	Evidence            []float32 // of makers whose Shape has Evidence: [N,evidence.Channels,H/8,W/8]
	Names               []string  // of the pictures, [N]
	Labels              []float32 // of the whole pictures, [N]: 1 = manipulated, 0 = untouched
	// Skipped lists the pictures left out of this batch and of those made from the same pictures.
	Skipped []Skipped
	loader  *Loader
}

// Release gives the batch's memory back for a later batch. The batch must not be used afterwards.
func (b *Batch) Release() { b.loader.spare.Put(b) }

// LoaderOptions say how batches are put together.
type LoaderOptions struct {
	BatchSize int    // examples per batch
	Draws     int    // examples of each loaded picture, one in each of as many batches; default 1
	Seed      uint64 // of the order and of every random choice
	Workers   int    // pictures loaded at a time; default: the cores that the process may use
	Ahead     int    // blocks (Draws batches each) prepared in addition to the one in use; default 1
	Epoch     int    // pictures per epoch; default: all of the source
	// Reuse is the number of random variations of each picture, used in turn from lap to lap; 0
	// draws a new one each time.
	Reuse int
	// SkipBad leaves out pictures that cannot be loaded. Each is replaced by the next loadable one
	// in the source's order.
	SkipBad bool
}

// Skipped is a picture that was left out.
type Skipped struct {
	Name string
	Err  error // names the file
}

// NameOf is what a source calls a picture, which it may be unable to load.
func NameOf(source Source, i int) string {
	if s, ok := source.(interface{ Name(int) string }); ok {
		return s.Name(i)
	}
	if path := PathOf(source, i); path != "" {
		return path
	}
	return fmt.Sprintf("picture %d", i)
}

// Load loads picture i of a source. A panic on the way becomes an error that names the picture.
func Load(ctx context.Context, source Source, i int) (Sample, error) {
	var s Sample
	err := parallel.Catch(func() (err error) {
		parallel.Point("load")
		s, err = source.Load(ctx, i)
		return err
	})
	return s, named(source, i, err)
}

// named adds the picture's name to a panic, whose text does not have it.
func named(source Source, i int, err error) error {
	if parallel.Stack(err) == nil {
		return err
	}
	name := PathOf(source, i)
	if name == "" {
		name = NameOf(source, i)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Loader makes batches out of a source. The pictures come in an endless sequence of laps, each a
// shuffle of the whole source. A batch holds different pictures if the source has enough.
type Loader struct {
	source  Source
	maker   Maker
	options LoaderOptions
	spare   sync.Pool
}

// NewLoader checks the options and makes a loader.
func NewLoader(source Source, maker Maker, options LoaderOptions) (*Loader, error) {
	if source.Len() == 0 {
		return nil, fmt.Errorf("training data: %w", ErrEmpty)
	}
	if options.BatchSize < 1 {
		return nil, fmt.Errorf("batch size %d: expected at least 1", options.BatchSize)
	}
	if options.Draws < 1 {
		options.Draws = 1
	}
	if options.Workers < 1 {
		options.Workers = runtime.GOMAXPROCS(0)
	}
	if options.Ahead < 1 {
		options.Ahead = 1
	}
	if options.Epoch < 1 {
		options.Epoch = source.Len()
	}
	l := &Loader{source: source, maker: maker, options: options}
	l.spare.New = func() any { return l.newBatch() }
	return l, nil
}

func (l *Loader) newBatch() *Batch {
	shape, n := l.maker.Shape(), l.options.BatchSize
	return &Batch{
		Images: make([]float32, n*shape.image()), Target: make([]float32, n*shape.target()),
		Coefficients: make([]float32, n*shape.coefficients()), Steps: make([]float32, n*shape.steps()),
		Evidence: make([]float32, n*shape.evidence()),
		Names:    make([]string, n), Labels: make([]float32, n), loader: l,
	}
}

// Shape is the shape of one example.
func (l *Loader) Shape() Shape { return l.maker.Shape() }

// StepsPerEpoch is the number of batches after which about every picture of an epoch was seen once
// (Draws times). The last batch of an epoch is always full: it borrows from the next lap.
func (l *Loader) StepsPerEpoch() int64 {
	n := l.options.BatchSize
	return int64((l.options.Epoch+n-1)/n) * int64(l.options.Draws)
}

// Batches gives the endless sequence of batches from the given step on. It ends when the context
// ends, the caller stops, or a picture cannot be loaded; in the first and the last case the
// error comes last. The caller releases each batch. A batch depends on the seed and its step only.
func (l *Loader) Batches(ctx context.Context, step int64) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		draws := int64(l.options.Draws)
		blocks := make(chan *block, l.options.Ahead)
		produced := parallel.Start(func() (struct{}, error) {
			return struct{}{}, l.produce(ctx, step/draws, blocks)
		})
		defer func() {
			cancel()
			_, _ = produced() // its error was yielded, or the caller has stopped
		}()
		skip := step % draws
		for b := range blocks {
			b.loading.Wait()
			b.batches[0].Skipped = slices.Concat(b.skipped...)
			for i, batch := range b.batches {
				if int64(i) < skip {
					batch.Release()
					continue
				}
				if !yield(batch, b.err) || b.err != nil {
					return
				}
			}
			skip = 0
		}
		if _, err := produced(); err != nil {
			yield(nil, err)
		}
	}
}

// block is the batches made of the same pictures: example n of each comes from picture n.
type block struct {
	batches []*Batch
	indices []int // of the pictures, in the source
	loading sync.WaitGroup
	once    sync.Once
	err     error
	skipped [][]Skipped // by example
}

func (b *block) fail(err error) { b.once.Do(func() { b.err = err }) }

// newBlock takes memory for a block and looks up its pictures.
func (l *Loader) newBlock(number int64, order *lap) *block {
	n := l.options.BatchSize
	b := &block{batches: make([]*Batch, l.options.Draws), indices: make([]int, n), skipped: make([][]Skipped, n)}
	for i := range b.batches {
		b.batches[i] = l.spare.Get().(*Batch)
		b.batches[i].Skipped = nil
		b.batches[i].Step = number*int64(l.options.Draws) + int64(i)
	}
	for i := range b.indices {
		b.indices[i] = order.at(l.options.Seed, l.source.Len(), number*int64(n)+int64(i))
	}
	return b
}

// produce starts block after block until ctx ends, and waits where the consumer has not caught up.
// Its error is why it ended.
func (l *Loader) produce(ctx context.Context, number int64, out chan<- *block) error {
	var all parallel.Group // so that no worker outlives the sequence
	defer func() { _ = all.Wait() }()
	defer close(out)
	free := make(chan struct{}, l.options.Workers)
	var order lap
	for ; ctx.Err() == nil; number++ {
		b := l.newBlock(number, &order)
		select {
		case out <- b.started():
		case <-ctx.Done():
			return ctx.Err()
		}
		for n := range b.indices {
			position := number*int64(len(b.indices)) + int64(n)
			free <- struct{}{}
			all.Go(func() error {
				defer b.loading.Done()
				defer func() { <-free }()
				if err := parallel.Catch(func() error { return l.fill(ctx, b, n, position) }); err != nil {
					b.fail(err)
				}
				return nil
			})
		}
	}
	return ctx.Err()
}

// started makes the consumer of a block wait for its examples.
func (b *block) started() *block {
	b.loading.Add(len(b.indices))
	return b
}

// fill makes example n of every batch of a block. A panic becomes an error that names the picture.
func (l *Loader) fill(ctx context.Context, b *block, n int, position int64) error {
	sample, index, err := l.load(ctx, b.indices[n], &b.skipped[n])
	if err != nil {
		return err
	}
	err = parallel.Catch(func() error { return l.make(sample, b, n, index, position) })
	return named(l.source, index, err)
}

// make turns a sample into example n of every batch of a block.
func (l *Loader) make(sample Sample, b *block, n, index int, position int64) error {
	shape := l.maker.Shape()
	label := float32(0)
	if sample.Manipulated() {
		label = 1
	}
	if sample.Mask == nil {
		sample.Mask = uniformMask(sample.Picture.RGB, label)
	}
	draws := make([]Draw, len(b.batches))
	for i, batch := range b.batches {
		batch.Names[n], batch.Labels[n] = sample.Name, label
		draws[i] = Draw{
			Random:       l.random(index, position, i),
			Image:        share(batch.Images, n, shape.image()),
			Target:       share(batch.Target, n, shape.target()),
			Coefficients: share(batch.Coefficients, n, shape.coefficients()),
			Steps:        share(batch.Steps, n, shape.steps()),
			Evidence:     share(batch.Evidence, n, shape.evidence()),
		}
	}
	return l.maker.Make(sample, draws)
}

// share is example n of a batch's values.
func share(values []float32, n, size int) []float32 { return values[n*size : (n+1)*size] }

// uniformMask gives every pixel the label of the whole picture.
func uniformMask(p *picture.RGB, label float32) *picture.Gray {
	mask := picture.NewGray(p.Width, p.Height)
	for i := range mask.Pix {
		mask.Pix[i] = uint8(255 * label)
	}
	return mask
}

// load loads a picture or, with SkipBad, the next one that can be loaded.
func (l *Loader) load(ctx context.Context, index int, skipped *[]Skipped) (Sample, int, error) {
	for tried := 1; ; tried++ {
		if err := ctx.Err(); err != nil {
			return Sample{}, 0, err
		}
		sample, err := Load(ctx, l.source, index)
		if err == nil || !l.options.SkipBad || ctx.Err() != nil {
			return sample, index, err
		}
		*skipped = append(*skipped, Skipped{NameOf(l.source, index), err})
		if tried == l.source.Len() {
			return Sample{}, 0, fmt.Errorf("none of %d pictures can be loaded: %w", tried, err)
		}
		index = (index + 1) % l.source.Len()
	}
}

// random is the source of a draw's random choices. It depends on the place in the sequence or, with
// Reuse, on the picture and its variation.
func (l *Loader) random(index int, position int64, draw int) *rand.Rand {
	if l.options.Reuse < 1 {
		return random(l.options.Seed, 1, uint64(position), uint64(draw))
	}
	lap := position / int64(l.source.Len())
	turn := (lap*int64(l.options.Draws) + int64(draw)) % int64(l.options.Reuse)
	return random(l.options.Seed, 2, uint64(index), uint64(turn))
}

// lap is one shuffle of the source. It is replaced when the sequence enters the next lap.
type lap struct {
	number int64
	order  []int
}

func (p *lap) at(seed uint64, length int, position int64) int {
	number := position / int64(length)
	if p.order == nil || p.number != number {
		p.number, p.order = number, random(seed, 0, uint64(number)).Perm(length)
	}
	return p.order[position%int64(length)]
}
