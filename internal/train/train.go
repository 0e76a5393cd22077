package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/train/features"
)

var (
	// ErrNotFinite is wrapped by the error of a training whose loss or gradient is no longer a
	// number.
	ErrNotFinite = errors.New("the loss is not a number")
	// ErrOccupied is wrapped by the error of a training that would overwrite the results of
	// another.
	ErrOccupied = errors.New("the output directory contains another training")
	// ErrInterrupted is wrapped, together with the context's cause, by the error of a training that
	// was interrupted.
	ErrInterrupted = errors.New("interrupted")
)

// trainer is the state of a training run.
type trainer struct {
	config   Config
	network  Network
	engine   *engine.Engine
	loader   *dataset.Loader
	valid    dataset.Source  // nil for none
	features features.Source // for validation; nil for a network that takes pictures
	// stepFeatures are those for steps; cache and backbones are what both come from.
	stepFeatures features.Source
	backbones    *features.PerPicture
	cache        *features.Cache // nil for none
	files        []*weights.File // of the backbones
	step         *Step
	average      *average // nil for none
	state        State
	score        *Score // of the best checkpoint
	recorder     *recorder
	lock         *files.File // of the output directory
	resumed      bool        // last.safetensors is there to resume from
	fingerprint  string      // of the training data
	contents     string      // the same with the masks

	total, perEpoch int64 // steps
	began           time.Time
	timeUp          bool
	meter           meter

	saved        int64         // step of the latest checkpoint, -1 if there is none
	inconsistent bool          // the state and the log do not agree: not to be saved
	epochBegan   time.Time     // of this epoch
	lastEpoch    time.Duration // of the previous epoch with validation; 0 in the first epoch
}

// Run trains as configured and writes best.safetensors, last.safetensors and log.jsonl into the
// output directory. Existing results are resumed with Config.Resume, never overwritten
// (ErrOccupied), unless Config.Force is set.
//
// When ctx ends, Run finishes the current step, writes last.safetensors and returns ctx's cause;
// the Summary says Interrupted. When the loss is not a number, the error wraps ErrNotFinite and the
// checkpoints are unchanged. A panic becomes an error; that of a picture names the picture.
func Run(ctx context.Context, config Config) (Summary, error) {
	config = config.Completed()
	if err := config.Validate(); err != nil {
		return Summary{}, err
	}
	t, err := prepare(ctx, config)
	if err != nil {
		return Summary{}, err
	}
	defer t.close()
	err = parallel.Catch(func() error { return t.loop(ctx) })
	return t.summary(err), err
}

// loop is the training: step after step, and the end of an epoch whenever one is due.
func (t *trainer) loop(ctx context.Context) error {
	next, stop := iter.Pull2(t.loader.Batches(ctx, t.state.Step))
	defer stop()
	for !t.finished() {
		if t.epochDue() {
			if err := t.endEpoch(ctx); err != nil {
				return t.stop(ctx, err)
			}
			continue
		}
		waiting := time.Now()
		batch, err, _ := next()
		if err != nil {
			return t.stop(ctx, t.hintSkip(&loadError{err}))
		}
		if err := t.takeStep(ctx, batch, time.Since(waiting)); err != nil {
			return t.stop(ctx, err)
		}
		batch.Release()
		if n := t.config.SaveSteps; n > 0 && t.state.Step%n == 0 {
			if err := t.saveLast(); err != nil {
				return t.stop(ctx, err)
			}
		}
	}
	return t.recorder.add(record{Event: "end", Step: t.state.Step, Epoch: t.state.Epoch, Seconds: t.elapsed().Seconds(), Why: t.reason()})
}

// takeStep runs one step. A step that has started always finishes; the backbone passes before it
// can be cancelled, because they may take minutes.
func (t *trainer) takeStep(ctx context.Context, batch *dataset.Batch, waited time.Duration) error {
	t.state.Elapsed = t.elapsed()
	rate := t.config.rate(t.state, t.total)
	began := time.Now()
	given, target, err := t.batchTensors(ctx, batch)
	if err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, err)
	}
	loss, norm, err := t.step.Run(context.WithoutCancel(ctx), given, target, t.state.Step, rate)
	if err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, err)
	}
	if bad(loss) || bad(norm) {
		_ = t.recorder.add(record{Event: "end", Step: t.state.Step, Loss: loss, Norm: norm, Why: ErrNotFinite.Error()})
		return fmt.Errorf("step %d: %w (loss %g, gradient norm %g, learning rate %g); the checkpoints in %s are unchanged; "+
			"a lower learning rate or a limit of the gradient's norm may help", t.state.Step+1, ErrNotFinite, loss, norm, rate, t.config.Out)
	}
	inEngine := time.Since(began)
	t.inconsistent = true
	if err := t.recordSkips(batch.Skipped); err != nil {
		return err
	}
	t.state.Step++
	t.state.LossSum += loss
	t.state.LossN++
	if t.average != nil {
		t.average.add(t.step.Params(), t.state.Step)
	}
	t.meter.add(waited, inEngine)
	report := StepReport{Step: t.state.Step, Total: t.total, Epoch: t.state.Epoch + 1, Loss: loss, Rate: rate, Norm: norm,
		Waited: waited, Engine: inEngine, Left: t.left()}
	if t.config.Hooks.Step != nil {
		t.config.Hooks.Step(report)
	}
	if t.state.Step%t.logEvery() == 0 {
		if err := t.recorder.add(record{Event: "step", Step: t.state.Step, Epoch: t.state.Epoch + 1, Loss: loss, Rate: rate, Norm: norm,
			Speed: t.meter.speed(), Idle: t.meter.outside(), Seconds: t.elapsed().Seconds()}); err != nil {
			return err
		}
	}
	t.inconsistent = false
	return nil
}

// batchTensors are the inputs of a step for a batch: what the pictures give, or their features, and
// the target.
func (t *trainer) batchTensors(ctx context.Context, b *dataset.Batch) (given []*engine.Tensor, target *engine.Tensor, err error) {
	n, shape := t.config.BatchSize, t.loader.Shape()
	if t.config.Supervision == Detection {
		target, err = engine.NewTensor([]int{n, 1, 1, 1}, b.Labels)
	} else {
		target, err = engine.NewTensor([]int{n, 1, shape.TargetHeight, shape.TargetWidth}, b.Target)
	}
	if err != nil {
		return nil, nil, err
	}
	if t.stepFeatures == nil {
		given, err = exampleTensors(t.step.Given(), b, n, shape)
		return given, target, err
	}
	images, err := engine.NewTensor([]int{n, 3, shape.Height, shape.Width}, b.Images)
	if err != nil {
		return nil, nil, err
	}
	given, err = t.stepFeatures.Features(ctx, images)
	if err != nil {
		return nil, nil, err
	}
	return given[:len(t.network.Uses())], target, nil
}

// exampleTensors are the named inputs of a step for a batch of n pictures.
func exampleTensors(names []string, b *dataset.Batch, n int, shape dataset.Shape) (list []*engine.Tensor, err error) {
	for _, name := range names {
		var data []float32
		switch name {
		case inImage:
			data = b.Images
		case inCoefficients:
			data = b.Coefficients
		case inSteps:
			data = b.Steps
		case inEvidence:
			data = b.Evidence
		case inLabel:
			data = cropLabels(b, n)
		}
		x, err := engine.NewTensor(append([]int{n}, exampleShape(name, shape)...), data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, x)
	}
	return list, nil
}

// cropLabels are 1 for examples of which a cell is manipulated: a crop of a manipulated picture may
// be untouched.
func cropLabels(b *dataset.Batch, n int) []float32 {
	labels, size := make([]float32, n), len(b.Target)/n
	for i := range labels {
		if slices.Max(b.Target[i*size:(i+1)*size]) > 0.5 {
			labels[i] = 1
		}
	}
	return labels
}

// logEvery is the number of steps between two logged ones: about 20 per epoch are logged.
func (t *trainer) logEvery() int64 { return max(1, t.perEpoch/20) }

// epochDue says whether there are steps to validate: those of an epoch, or fewer when the time is
// up.
func (t *trainer) epochDue() bool {
	return t.state.LossN > 0 && (t.timeUp || t.state.Step%t.perEpoch == 0)
}

func (t *trainer) finished() bool {
	if t.config.MaxTime > 0 && t.elapsed() >= t.config.deadline(t.state) {
		t.timeUp = true
	}
	return t.state.LossN == 0 && (t.state.Step >= t.total || t.state.Ended || t.timeUp)
}

func (t *trainer) reason() string {
	switch {
	case t.timeUp:
		return "time is up"
	case t.state.Ended:
		return "no improvement at the lowest learning rate"
	}
	return "all epochs done"
}

// endEpoch validates, keeps the best weights, writes the checkpoint to resume from, and reports.
func (t *trainer) endEpoch(ctx context.Context) error {
	if t.saved < 0 {
		// A kill between the first best.safetensors and last.safetensors would leave a training that
		// cannot be resumed.
		if err := t.saveLast(); err != nil {
			return err
		}
	}
	params := t.step.Params()
	if t.average != nil {
		params = t.average.params
	}
	score, shown, err := t.validate(ctx, params)
	if err != nil {
		return err
	}
	t.inconsistent = true
	report := EpochReport{Epochs: t.config.Epochs, Step: t.state.Step, Loss: t.state.LossSum / max(1, float64(t.state.LossN)),
		Rate: t.config.rate(t.state, t.total), Score: score, StepsPerSecond: t.meter.speed(), Outside: t.meter.outside()}
	t.meter = meter{}
	t.state.Epoch++
	t.state.LossSum, t.state.LossN = 0, 0
	report.Epoch = t.state.Epoch
	report.Best = t.config.judge(&t.state, score)
	t.state.Elapsed = t.elapsed()
	report.Elapsed = t.state.Elapsed
	if report.Best {
		t.score = score
		if err := t.saveBest(params, score); err != nil {
			return err
		}
	}
	// The log comes before the checkpoint, which stores the log's length: after a kill in between,
	// the epoch is logged again.
	if err := t.recorder.add(record{Event: "epoch", Step: report.Step, Epoch: report.Epoch, Loss: report.Loss, Rate: report.Rate,
		Score: score, Best: report.Best, Speed: report.StepsPerSecond, Idle: report.Outside, Seconds: report.Elapsed.Seconds()}); err != nil {
		return err
	}
	if dueSamples(report.Epoch, report.Best) {
		if err := t.recorder.images(report.Step, shown); err != nil {
			return err
		}
	}
	if err := t.saveLast(); err != nil {
		return err
	}
	t.inconsistent = false
	t.timeEpoch()
	report.Left = t.left()
	if t.config.Hooks.Epoch != nil {
		t.config.Hooks.Epoch(report)
	}
	return nil
}
