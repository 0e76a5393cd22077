package localize

import (
	"context"
	"image"

	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// Result is what a model says about one picture.
type Result struct {
	Width, Height int    // pixels, as the file stores them
	Model         string // what the model was opened as
	Format        string // of the file, such as jpeg or heic; empty for pixels from no file
	Orientation   int    // EXIF orientation 1..8 of the file, not applied; 1 where none is given
	// Warnings are sentences about damage of the file that decoding passed over, about the choice
	// among several pictures of the file, and about a service that compressed the file again, if
	// its header says so: most traces of earlier changes are then gone.
	Warnings []string

	// Score in [0,1] sums up the picture. For a model that looks at the picture's own pixels it is
	// the probability that one pixel in a hundred exceeds: a score over the threshold means that
	// more than 1 % of the pixels are marked. For a model that sees the picture scaled to its
	// input, as the paper's models do, it is the mean probability, as published. A network that
	// judges the whole picture by itself gives its own score. A model that was calibrated for whole
	// pictures gives the probability that the picture was manipulated, if as many pictures are
	// manipulated as untouched.
	Score float64
	// ScoreKind says which of them Score is: ScorePercentile, ScoreMean, ScoreNetwork or
	// ScoreCalibrated.
	ScoreKind string
	// MeanProbability over all pixels, in [0,1].
	MeanProbability float64
	// ManipulatedFraction is the share of pixels over Threshold, in [0,1].
	ManipulatedFraction float64
	Threshold           float64
	// Regions are the connected areas over Threshold, the largest first. Areas
	// smaller than a ten-thousandth of the picture are left out.
	Regions []Region

	// Provenance says what made the result; nil in the results of Each.
	Provenance *Provenance

	// Prob is the probability that a pixel was manipulated: [Height, Width].
	Prob []float32
	// Raw is the network's own output before it is enlarged to the picture's
	// size. For several models it is their mean, at the picture's size if their
	// own outputs differ in size.
	Raw picture.Map
	// Confidence in [0,1] that the map is right at a pixel: [Height, Width]; nil for
	// networks that give none, and for several models together.
	Confidence []float32
	// Each holds each model's own result, in the order in which they were given;
	// only with Options.Each.
	Each []*Result

	networkScore *float64 // the network's own score; nil if it has none
	calibrated   bool     // networkScore is of ScoreCalibrated
}

// What Result.Score is.
const (
	ScorePercentile = "percentile" // the probability that one pixel in a hundred exceeds
	ScoreMean       = "mean"       // the mean probability
	ScoreNetwork    = "network"    // the network's own probability that the picture is manipulated
	ScoreCalibrated = "calibrated" // the same, fitted on validation pictures to the map and the file
)

// Region is a connected area (8 neighbours) that looks manipulated.
type Region struct {
	Box        image.Rectangle // in pixels
	Area       int             // in pixels
	Mean, Peak float64         // probability over the area, in [0,1]
}

// Flagged reports whether more than metric.FlagShare of the pixels are over the threshold.
func (r *Result) Flagged() bool { return r.ManipulatedFraction > metric.FlagShare }

// smallestRegion is the share of a picture under which an area over the
// threshold is not listed as a region.
const smallestRegion = 1e-4

// measure computes the fields that depend on Prob. It looks at ctx before each pass over Prob.
func (r *Result) measure(ctx context.Context, scoreIsMean bool) error {
	r.MeanProbability = r.toMap().Mean()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case r.networkScore != nil:
		r.Score, r.ScoreKind = *r.networkScore, ScoreNetwork
		if r.calibrated {
			r.ScoreKind = ScoreCalibrated
		}
	case scoreIsMean:
		r.Score, r.ScoreKind = r.MeanProbability, ScoreMean
	default:
		r.Score, r.ScoreKind = metric.FlagScore(r.Prob), ScorePercentile
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.mark()
	return nil
}

// mark computes the fields that depend on Prob and Threshold.
func (r *Result) mark() {
	m := r.toMap()
	r.ManipulatedFraction = m.Fraction(r.Threshold)
	r.Regions = nil
	least := max(1, int(smallestRegion*float64(len(r.Prob))))
	for _, g := range picture.Regions(m, r.Threshold, least) {
		box := image.Rect(g.Box[0], g.Box[1], g.Box[0]+g.Box[2], g.Box[1]+g.Box[3])
		r.Regions = append(r.Regions, Region{Box: box, Area: g.Area, Mean: g.Mean, Peak: g.Peak})
	}
}

// WithThreshold is the result at another threshold in (0,1), without running the
// model again: ManipulatedFraction, Regions and what Mask and Overlay draw change,
// in Each too. It shares its maps with r.
func (r *Result) WithThreshold(threshold float64) (*Result, error) {
	if err := checkThreshold(threshold); err != nil {
		return nil, err
	}
	changed := *r
	changed.Threshold = threshold
	changed.mark()
	changed.Each = nil
	for _, own := range r.Each {
		o, err := own.WithThreshold(threshold)
		if err != nil {
			return nil, err
		}
		changed.Each = append(changed.Each, o)
	}
	return &changed, nil
}

func (r *Result) toMap() *picture.Map {
	return &picture.Map{Prob: r.Prob, Width: r.Width, Height: r.Height}
}

// Gray is the probability map as an 8-bit picture: 0 is 0, 255 is 1.
func (r *Result) Gray() image.Image { return r.toMap().ToGray() }

// ConfidenceGray is Confidence as an 8-bit picture: 0 is 0, 255 is 1. It is nil if there is none.
func (r *Result) ConfidenceGray() image.Image {
	if r.Confidence == nil {
		return nil
	}
	m := picture.Map{Prob: r.Confidence, Width: r.Width, Height: r.Height}
	return m.ToGray()
}

// Mask is the picture's size, 255 where the probability exceeds Threshold and 0
// elsewhere.
func (r *Result) Mask() image.Image { return r.toMap().Mask(r.Threshold) }

// Overlay draws the map over the picture it was made from: a heat map where the
// probability is high, and an outline around what Mask marks. rgb must have the
// result's size.
func (r *Result) Overlay(rgb *picture.RGB) image.Image {
	return picture.Overlay(rgb, r.toMap(), r.Threshold)
}

// OverlayContext is Overlay, but stops with the error of ctx soon after ctx has ended.
func (r *Result) OverlayContext(ctx context.Context, rgb *picture.RGB) (image.Image, error) {
	return picture.OverlayContext(ctx, rgb, r.toMap(), r.Threshold)
}
