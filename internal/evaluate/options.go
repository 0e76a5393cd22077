package evaluate

import (
	"fmt"
	"runtime"

	"github.com/declip/declip/internal/metric"
)

// Options of Run.
type Options struct {
	Threshold float64 // probability above which a pixel counts as manipulated
	Batch     int     // pictures predicted together, at least 1
	Workers   int     // batches in progress at a time, at least 1
	// Perturb adds runs on perturbed pictures, one for each, to the run on the pictures as they
	// are.
	Perturb []Perturbation
	Seed    uint64 // of the perturbations' random choices
	// Done, if set, is called with the number of finished pictures, never concurrently.
	Done func(done, total int)
	// Visit, if set, is called with every scored map, from several goroutines at once.
	Visit func(Visit)
}

// DefaultOptions predict one picture at a time on each core that the process may use.
func DefaultOptions() Options {
	return Options{Threshold: metric.DefaultThreshold, Batch: 1, Workers: runtime.GOMAXPROCS(0)}
}

// Validate reports the first option that Run cannot work with.
func (o Options) Validate() error {
	switch {
	case !(o.Threshold >= 0 && o.Threshold <= 1):
		return fmt.Errorf("threshold %g: expected 0 to 1", o.Threshold)
	case o.Batch < 1:
		return fmt.Errorf("batch of %d pictures: expected at least 1", o.Batch)
	case o.Workers < 1:
		return fmt.Errorf("%d workers: expected at least 1", o.Workers)
	}
	return nil
}

// SummaryOptions of Summarize.
type SummaryOptions struct {
	Threshold float64 // above which pictures are flagged, and classified by their mean
	Bootstrap int     // draws for the confidence intervals; 0 gives none
	Seed      uint64  // of the draws
}

// DefaultSummaryOptions use the published threshold and give no confidence intervals.
func DefaultSummaryOptions() SummaryOptions {
	return SummaryOptions{Threshold: metric.DefaultThreshold}
}
