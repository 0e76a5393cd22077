package train

import (
	"time"

	"github.com/declip/declip/internal/train/tensorboard"
)

// State is the progress of a training. With the weights and the optimizer's tensors it is all that
// a resumed run needs: every random choice follows from the seed and Step.
type State struct {
	Step    int64   `json:"step"`     // steps done
	Epoch   int     `json:"epoch"`    // epochs done, validation included
	LossSum float64 `json:"loss_sum"` // over the steps since
	LossN   int64   `json:"loss_n"`

	Best      float64 `json:"best"`       // value of the criterion
	BestEpoch int     `json:"best_epoch"` // 0 = none yet
	Anchor    float64 `json:"anchor"`     // value that an epoch must exceed to count as an improvement
	Stale     int     `json:"stale"`      // epochs since
	Drops     int     `json:"drops"`      // how often the rate was divided by 10
	Ended     bool    `json:"ended"`      // the plateau schedule has nothing left to try

	// Operators is the version of the training operators that the training began with, 0 for ONNX's
	// own: versions round differently.
	Operators int `json:"operators,omitempty"`

	Skipped []string `json:"skipped,omitempty"` // pictures left out because they cannot be read

	// Lengths of the log and of the event files.
	LogBytes int64            `json:"log_bytes,omitempty"`
	Events   tensorboard.Mark `json:"events,omitempty"`

	Elapsed    time.Duration `json:"elapsed_ns"`    // of all runs
	Validation time.Duration `json:"validation_ns"` // of the latest validation
}

// StepReport describes one training step.
type StepReport struct {
	Step, Total int64
	Epoch       int     // that the step belongs to, from 1
	Loss, Rate  float64 // learning rate
	Norm        float64 // of the gradient before it is limited
	Waited      time.Duration
	Engine      time.Duration
	Left        time.Duration // about, until all epochs are done
}

// EpochReport describes one epoch and its validation.
type EpochReport struct {
	Epoch, Epochs  int
	Step           int64
	Loss, Rate     float64 // mean over the epoch; the latest learning rate
	Score          *Score  // nil without validation pictures
	Best           bool
	StepsPerSecond float64
	Outside        float64 // share of the time between two steps that the engine was idle, in [0,1]
	Elapsed        time.Duration
	Left           time.Duration // about, until all epochs are done
}

// Summary describes how a training ended.
type Summary struct {
	State       State
	Score       *Score // of the best checkpoint, if this run made it
	Best, Last  string // files; Best is "" as long as there is none
	Interrupted bool   // by the context; Resume continues
	TimeUp      bool   // MaxTime was reached
	Parameters  int    // trained values
	Device      string
}

// About describes a training before it starts.
type About struct {
	Steps, PerEpoch int64
	Trained         int      // values
	Pictures        int      // to train on
	Frozen          []string // backbones that stay as they are, with the files they come from
	Resumed         *State   // of the checkpoint that is continued; nil: none is
}

// Hooks are called by Run, in its goroutine, one at a time. Any may be nil.
type Hooks struct {
	Start func(Config, About) // the configuration as used
	Step  func(StepReport)
	Score func(done, total int) // validation pictures
	Epoch func(EpochReport)
	Saved func(path string)
	// Notice is called with messages for the user that are not errors. It may be called from any
	// goroutine.
	Notice func(string)
}
