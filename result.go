package declip

import (
	"context"
	"image"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// Result is what a model says about one picture.
type Result struct {
	Width, Height int    // pixels, as the file stores them
	Model         string // what the model was opened as
	Format        string // of the file, such as jpeg or heic; empty for pixels from no file
	Orientation   int    // EXIF orientation 1..8 of the file, not applied; 1 where none is given
	// Warnings are sentences about damage of the file that decoding passed over, and about the choice
	// among several pictures of the file.
	Warnings []string

	// Score in [0,1] sums up the picture. For a model that looks at the
	// picture's own pixels it is the probability that one pixel in a hundred
	// exceeds: a score over the threshold means that more than 1 % of the
	// pixels are marked. For a model that sees the picture scaled to its
	// input, as the paper's models do, it is the mean probability, as published.
	// A network that judges the whole picture by itself gives its own score, and a
	// model that was calibrated for it, such as "lite", the probability that the
	// picture was manipulated, if half of such pictures were.
	Score float64
	// ScoreKind says which of them Score is: ScorePercentile, ScoreMean, ScoreNetwork or
	// ScoreCalibrated.
	ScoreKind string
	// MeanProbability over all pixels, in [0,1].
	MeanProbability float64
	// ManipulatedFraction is the share of pixels over Threshold, in [0,1].
	ManipulatedFraction float64
	// Threshold is the probability above which a pixel counts as manipulated, in (0,1).
	Threshold float64
	// Regions are the connected areas over Threshold, the largest first. Areas
	// smaller than a ten-thousandth of the picture are left out.
	Regions []Region

	// Prob is the probability that a pixel was manipulated: [Height, Width].
	Prob []float32
	// Raw is the network's own output before it is enlarged to the picture's
	// size. For several models it is their mean, at the picture's size where
	// their own outputs differ in size.
	Raw Map
	// Confidence in [0,1] that the map is right at a pixel: [Height, Width]; nil for
	// networks that give none, and for several models together.
	Confidence []float32
	// Each holds each model's own result, in the order in which they were given;
	// only with Options.Each.
	Each []*Result
	// Provenance says what made the result; nil in the results of Each.
	Provenance *Provenance

	image string // the path of the file, from LocalizeFile
}

// What Result.Score is.
const (
	// ScorePercentile is the probability that one pixel in a hundred exceeds.
	ScorePercentile = localize.ScorePercentile
	// ScoreMean is the mean probability.
	ScoreMean = localize.ScoreMean
	// ScoreNetwork is the network's own probability that the picture is manipulated.
	ScoreNetwork = localize.ScoreNetwork
	// ScoreCalibrated is the probability that the picture is manipulated, fitted on validation
	// pictures to the map and the file. It is that of pictures of which half are manipulated.
	ScoreCalibrated = localize.ScoreCalibrated
)

// Region is a connected area (8 neighbours) that looks manipulated.
type Region struct {
	Box        image.Rectangle // in pixels
	Area       int             // in pixels
	Mean, Peak float64         // probability over the area, in [0,1]
}

// Map is a grid of probabilities in [0,1]: [Height, Width].
type Map struct {
	Prob          []float32
	Width, Height int
}

// newResult copies the fields and shares the maps.
func newResult(r *localize.Result) *Result {
	regions := make([]Region, len(r.Regions))
	for i, g := range r.Regions {
		regions[i] = Region(g)
	}
	return &Result{
		Width: r.Width, Height: r.Height, Model: r.Model, Format: r.Format, Orientation: r.Orientation,
		Warnings: r.Warnings,
		Score:    r.Score, ScoreKind: r.ScoreKind, Confidence: r.Confidence, MeanProbability: r.MeanProbability, ManipulatedFraction: r.ManipulatedFraction,
		Threshold: r.Threshold, Regions: regions,
		Prob: r.Prob, Raw: Map{r.Raw.Prob, r.Raw.Width, r.Raw.Height}, Each: newResults(r.Each),
		Provenance: newProvenance(r.Provenance),
	}
}

// newResults is nil for an empty list.
func newResults(list []*localize.Result) (results []*Result) {
	for _, r := range list {
		results = append(results, newResult(r))
	}
	return results
}

// inner is r as package localize takes it.
func (r *Result) inner() *localize.Result {
	var each []*localize.Result
	for _, own := range r.Each {
		each = append(each, own.inner())
	}
	regions := make([]localize.Region, len(r.Regions))
	for i, g := range r.Regions {
		regions[i] = localize.Region(g)
	}
	return &localize.Result{
		Width: r.Width, Height: r.Height, Model: r.Model, Format: r.Format, Orientation: r.Orientation,
		Warnings: r.Warnings,
		Score:    r.Score, ScoreKind: r.ScoreKind, Confidence: r.Confidence, MeanProbability: r.MeanProbability, ManipulatedFraction: r.ManipulatedFraction,
		Threshold: r.Threshold, Prob: r.Prob, Raw: picture.Map{Prob: r.Raw.Prob, Width: r.Raw.Width, Height: r.Raw.Height}, Each: each,
		Regions: regions, Provenance: r.Provenance.inner(),
	}
}

// WithThreshold is the result at another threshold in (0,1), without running the
// model again: ManipulatedFraction, Regions and what Mask and Overlay draw change,
// in Each too. It shares its maps with r.
func (r *Result) WithThreshold(threshold float64) (*Result, error) {
	changed, err := r.inner().WithThreshold(threshold)
	if err != nil {
		return nil, err
	}
	result := newResult(changed)
	result.image = r.image
	return result, nil
}

// Gray is the probability map as an 8-bit picture: 0 is 0, 255 is 1.
func (r *Result) Gray() image.Image { return r.inner().Gray() }

// Mask has the picture's size, 255 where the probability exceeds Threshold and 0
// elsewhere.
func (r *Result) Mask() image.Image { return r.inner().Mask() }

// Overlay draws the map over the picture it was made from: a heat map where the
// probability is high, and an outline around what Mask marks. img must have the
// result's size.
func (r *Result) Overlay(img image.Image) image.Image {
	p, _ := toPicture(context.Background(), img) // this context does not end
	return r.inner().Overlay(p.RGB)
}
