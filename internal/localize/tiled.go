package localize

import (
	"context"

	"github.com/declip/declip/internal/forensics"
	"github.com/declip/declip/internal/forensics/evidence"
	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// tiledRun is a picture on its way through a network that runs over the picture's own pixels, by
// tiledSteps.
type tiledRun struct {
	*Runner
	rgb      *picture.RGB
	grid     jpeggrid.Grid                       // of JPEG's blocks, if the network uses them
	evidence *evidence.Map                       // nil if the network takes none
	wait     func() ([]forensics.Finding, error) // for the detectors
	findings []forensics.Finding
	raw      picture.Map // the network's own map
	judged   picture.Map // the same with findings, without unsure regions
	prob     []float32   // at the picture's size
	score    *float64    // of the whole picture; nil if nothing judges it
}

func (r *Runner) runTiled(ctx context.Context, rgb *picture.RGB) (Output, error) {
	ctx, stop := context.WithCancel(ctx)
	run := &tiledRun{Runner: r, rgb: rgb}
	defer run.endDetectors(stop)
	if err := runSteps(ctx, tiledSteps, run); err != nil {
		return Output{}, err
	}
	return Output{Raw: run.raw, Prob: run.prob, Score: run.score, Calibrated: run.score != nil}, nil
}

// endDetectors stops the detectors and waits: none may outlive the run, even if a step fails.
func (t *tiledRun) endDetectors(stop func()) {
	stop()
	if t.wait != nil {
		_, _ = t.wait()
	}
}

// findGrid finds JPEG's blocks for networks that look at them: tiles begin where blocks do.
func (t *tiledRun) findGrid(context.Context) error {
	t.grid = gridOf(t.spec, t.rgb)
	return nil
}

// gridOf is the grid of JPEG's blocks for a network that looks at them; the zero value for others.
func gridOf(spec network.Spec, rgb *picture.RGB) (grid jpeggrid.Grid) {
	if spec.OnGrid() {
		grid, _ = jpeggrid.Detect(rgb)
	}
	return grid
}

// tiling is how a network runs in tiles that begin where blocks do.
func tiling(spec network.Spec, grid jpeggrid.Grid) tile.Options {
	return tile.Options{
		Size: spec.Tile, Overlap: spec.Overlap, PhaseX: grid.X, PhaseY: grid.Y, Mean: network.Mean, Std: network.Std,
	}
}

// findEvidence measures traces of compression for networks that take them.
func (t *tiledRun) findEvidence(ctx context.Context) (err error) {
	if t.spec.Evidence > 0 {
		t.evidence, err = evidence.Find(ctx, t.rgb, t.grid)
	}
	return err
}

// startDetectors starts the detectors in the background. They run one after the other, because the
// network needs the processor as well.
func (t *tiledRun) startDetectors(ctx context.Context) error {
	t.wait = parallel.Start(func() (list []forensics.Finding, err error) {
		for _, d := range t.detectors {
			parallel.Point("detector")
			f, err := d.Find(ctx, t.rgb)
			if err != nil {
				return nil, err
			}
			list = append(list, f)
		}
		return list, nil
	})
	return nil
}

// runTiles runs the network. It takes one tile at a time, whose work the session's threads share:
// two tiles with half the threads each take 6 % less processor time but 90 MB more for twelve
// megapixels.
func (t *tiledRun) runTiles(ctx context.Context) error {
	options := tiling(t.spec, t.grid)
	options.Progress = ReportProgress(ctx)
	m, err := tile.Localize(ctx, t.rgb, options, t.runTile)
	if err != nil {
		return err
	}
	t.raw, t.judged = *m, *m
	return nil
}

func (t *tiledRun) runTile(ctx context.Context, p tile.Tile) (logits []float32, oh, ow int, err error) {
	if t.thorough {
		return t.logitsOfTurns(ctx, p.Image, p.Height, p.Width)
	}
	if t.evidence == nil {
		return t.logits(ctx, p.Image, p.Height, p.Width, nil)
	}
	traces, err := engine.NewEmpty([]int{1, evidence.Channels, p.Height / 8, p.Width / 8})
	if err != nil {
		return nil, 0, 0, err
	}
	t.evidence.Cut(traces.Float32s(), p.X, p.Y, p.Height, p.Width)
	return t.logits(ctx, p.Image, p.Height, p.Width, traces)
}

func (t *tiledRun) waitForDetectors(context.Context) (err error) {
	t.findings, err = t.wait()
	return err
}

// markNetworkMap marks the findings that belong in the network's map. The network's own map stays
// as it is.
func (t *tiledRun) markNetworkMap(context.Context) error {
	if len(t.findings) > 0 || t.spec.Blobs {
		t.judged = t.raw.Clone()
	}
	t.mark(forensics.NetworkMap, &t.judged)
	return nil
}

func (t *tiledRun) mark(stage forensics.Stage, m *picture.Map) {
	for _, f := range t.findings {
		if f.Stage() == stage {
			f.Mark(m)
		}
	}
}

func (t *tiledRun) keepSureRegions(context.Context) error {
	if t.spec.Blobs {
		keepSureRegions(&t.judged)
	}
	return nil
}

func (t *tiledRun) enlarge(ctx context.Context) (err error) {
	parallel.Point("enlarge")
	t.prob, err = t.judged.UpsampleContext(ctx, t.rgb.Width, t.rgb.Height)
	return err
}

// markPictureMap marks the findings that belong in the map at the picture's size.
func (t *tiledRun) markPictureMap(context.Context) error {
	t.mark(forensics.PictureMap, &picture.Map{Prob: t.prob, Width: t.rgb.Width, Height: t.rgb.Height, Stride: 1})
	return nil
}

// judgePicture computes the probability that the picture was manipulated.
func (t *tiledRun) judgePicture(ctx context.Context) error {
	if t.judge == nil {
		return nil
	}
	score, err := t.judge.probability(ctx, facts{raw: t.raw.Prob, prob: t.prob, rgb: t.rgb})
	t.score = &score
	return err
}
