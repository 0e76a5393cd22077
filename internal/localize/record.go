package localize

import (
	"math"
	"time"
)

// Record is the JSON form of a result. The command line and the service embed it and
// add where the maps are.
type Record struct {
	Image               string         `json:"image"` // as the user names it
	Width               int            `json:"width"`
	Height              int            `json:"height"`
	Format              string         `json:"format"`
	Orientation         int            `json:"orientation"`        // EXIF, 1 where none is given
	Warnings            []string       `json:"warnings,omitempty"` // see Result
	Model               string         `json:"model"`
	Score               float64        `json:"score"`
	ScoreKind           string         `json:"score_kind"` // see Result
	MeanProbability     float64        `json:"mean_probability"`
	ManipulatedFraction float64        `json:"manipulated_fraction"`
	Threshold           float64        `json:"threshold"`
	Regions             []RecordRegion `json:"regions"`
	Provenance          *Provenance    `json:"provenance,omitempty"` // what made the result
}

// RecordOwn is the JSON form of the result of one of several models.
type RecordOwn struct {
	Model               string         `json:"model"`
	Score               float64        `json:"score"`
	ScoreKind           string         `json:"score_kind"`
	MeanProbability     float64        `json:"mean_probability"`
	ManipulatedFraction float64        `json:"manipulated_fraction"`
	Regions             []RecordRegion `json:"regions"`
}

// NewRecordOwn makes the record of one of Result.Each.
func NewRecordOwn(own *Result) RecordOwn {
	return RecordOwn{
		Model: own.Model, Score: Round(own.Score), ScoreKind: own.ScoreKind, MeanProbability: Round(own.MeanProbability),
		ManipulatedFraction: Round(own.ManipulatedFraction), Regions: RecordRegions(own.Regions),
	}
}

// RecordRegion is a connected area over the threshold.
type RecordRegion struct {
	Box  [4]int  `json:"box"` // x, y, width, height
	Area int     `json:"area"`
	Mean float64 `json:"mean"`
	Peak float64 `json:"peak"`
}

// NewRecord makes the record of a result; image is how the user names the picture.
func NewRecord(image string, r *Result) Record {
	return Record{
		Image: image, Width: r.Width, Height: r.Height, Format: r.Format, Orientation: r.Orientation,
		Warnings: r.Warnings,
		Model:    r.Model, Score: Round(r.Score), ScoreKind: r.ScoreKind, MeanProbability: Round(r.MeanProbability),
		ManipulatedFraction: Round(r.ManipulatedFraction), Threshold: r.Threshold, Regions: RecordRegions(r.Regions),
		Provenance: r.Provenance,
	}
}

// RecordRegions lists regions in their order; it is never nil, so that JSON has a list.
func RecordRegions(regions []Region) []RecordRegion {
	list := make([]RecordRegion, len(regions))
	for i, g := range regions {
		box := [4]int{g.Box.Min.X, g.Box.Min.Y, g.Box.Dx(), g.Box.Dy()}
		list[i] = RecordRegion{box, g.Area, Round(g.Mean), Round(g.Peak)}
	}
	return list
}

// Round keeps six digits after the point, beyond what a map of float32 holds.
func Round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// Milliseconds keeps one digit after the point.
func Milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e4) / 10 }
