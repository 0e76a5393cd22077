package localize

import (
	"context"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/parallel"
)

// The way of pictures through a model: Model.LocalizeBatch.
var batchSteps = []step[*batch]{
	{"check pictures", (*batch).check},
	{"run networks", (*batch).runNetworks}, // by groupSteps
	{"average and enlarge maps", (*batch).combine},
	{"summarize maps", (*batch).summarize},
}

// The way of some pictures through all networks of a model: Group.Run.
var groupSteps = []step[*groupRun]{
	{"run networks in one piece", (*groupRun).runWhole}, // by tiledSteps, resizedSteps or wholeSteps
	{"run backbones", (*groupRun).runBackbones},
	{"run decoders", (*groupRun).runDecoders},
}

// The way of a picture through a network that runs over the picture's own pixels, such as "lite".
var tiledSteps = slices.Concat(beforeTiles, []step[*tiledRun]{
	{"run network over tiles", (*tiledRun).runTiles},
	{"wait for detectors", (*tiledRun).waitForDetectors},
}, afterTiles)

// The steps before the network runs over tiles.
var beforeTiles = []step[*tiledRun]{
	{"find JPEG grid", (*tiledRun).findGrid},
	{"measure evidence", (*tiledRun).findEvidence},
	{"start detectors", (*tiledRun).startDetectors},
}

// The steps from the network's map and the findings to the result.
var afterTiles = []step[*tiledRun]{
	{"mark findings in network's map", (*tiledRun).markNetworkMap},
	{"keep sure regions", (*tiledRun).keepSureRegions},
	{"enlarge map", (*tiledRun).enlarge},
	{"mark findings in picture's map", (*tiledRun).markPictureMap},
	{"judge whole picture", (*tiledRun).judgePicture},
}

// The way of a picture through a network in one piece that sees the picture scaled to its input.
var resizedSteps = []step[*resizedRun]{
	{"scale picture", (*resizedRun).scale},
	{"run network", (*resizedRun).runNetwork},
	{"enlarge map", (*resizedRun).enlarge},
}

// The way of a picture through another author's network, which sees the picture's own pixels.
var wholeSteps = []step[*wholeRun]{
	{"prepare network's input", (*wholeRun).prepare},
	{"run network", (*wholeRun).runNetwork},
	{"read network's answer", (*wholeRun).readAnswer},
}

// step is one step on the way of pictures; T holds what the steps hand on.
type step[T any] struct {
	name string
	do   func(T, context.Context) error
}

// runSteps takes the steps one after the other, until one fails or ctx ends. A panic in a step is
// an error that names the step. A step whose work grows with the picture looks at ctx itself, at
// least once for each pass over the picture or its maps.
func runSteps[T any](ctx context.Context, steps []step[T], run T) error {
	for _, s := range steps {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := parallel.Catch(func() error { return s.do(run, ctx) })
		if parallel.Stack(err) != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
