// Package report turns the results of a study into what people read: tables, figures, a summary in words and one HTML file that
// holds them all. It computes nothing about pictures; it averages scores, says how sure the averages are, and draws.
package report

import (
	"math"
	"time"
)

// The kinds of study.
const (
	CrossGenerator = "cross-generator" // every training set against every test set
	Layers         = "layers"          // one after another layer of a backbone
	Decoders       = "decoders"
	Backbones      = "backbones"
	Robustness     = "robustness" // treated pictures, by strength
)

// Results is everything that a report is made from. A grid has four sides: variants (layers, decoders, backbones), sets
// trained on, sets tested on, and treatments of the test pictures.
type Results struct {
	Kind  string `json:"study"`
	Title string `json:"title"`
	Note  string `json:"note,omitempty"` // what the author of the study says about it

	Variants   []string    `json:"variants"`   // at least one
	Train      []string    `json:"train"`      // sets trained on
	Test       []string    `json:"test"`       // sets tested on: those trained on first, then the others
	Treatments []Treatment `json:"treatments"` // the first is none
	Runs       []Run       `json:"runs"`
	Cells      []Cell      `json:"-"` // their averages are in the files of tables; the pictures' scores in the study's folder

	Data     []Data   `json:"data"`
	Options  []Option `json:"options"`
	Versions []Option `json:"versions"`

	Threshold float64   `json:"threshold"` // probability over which a pixel counts as manipulated
	Bootstrap int       `json:"bootstrap"` // draws for the intervals; 0 = no intervals
	Seed      uint64    `json:"seed"`
	Time      time.Time `json:"time"`
	Dolos     bool      `json:"dolos"` // the data are the paper's four sets, so that its numbers may stand beside these

	Pictures []Picture `json:"-"` // to be shown
}

// Treatment is something done to test pictures before a model sees them, such as JPEG compression.
type Treatment struct {
	Kind     string `json:"kind"`     // "" for none
	Strength string `json:"strength"` // as the user spelt it
}

// String is how the treatment is spelt on the command line; "none" for none.
func (t Treatment) String() string {
	switch {
	case t.Kind == "":
		return "none"
	case t.Strength == "":
		return t.Kind
	}
	return t.Kind + ":" + t.Strength
}

// Run is one trained model.
type Run struct {
	Variant    string   `json:"variant"`
	Train      string   `json:"train"`
	Model      string   `json:"model"` // network or file, for people
	Folder     string   `json:"folder,omitempty"`
	Parameters int      `json:"parameters,omitempty"` // trained values
	Epochs     int      `json:"epochs,omitempty"`
	BestEpoch  int      `json:"best_epoch,omitempty"`
	ValidIoU   *float64 `json:"valid_iou,omitempty"` // percent, of the best epoch
	Seconds    float64  `json:"seconds,omitempty"`   // of training, interruptions left out
	Problem    string   `json:"problem,omitempty"`   // why there is no model
}

// Cell is one model on one test set under one treatment.
type Cell struct {
	Variant, Train, Test string
	Treatment            Treatment
	Scores               []Score // of the test set's pictures; every cell of a test set has the same, in the same order
	Seconds              float64
	Problem              string // why there are no scores
	Failed               int    // pictures that could not be scored, and count nowhere
	Failure              string // why the first of them could not
}

// Score is one picture's. A value that is not defined for the picture is NaN.
type Score struct {
	Name        string
	Manipulated bool
	IoU         float64 // percent
	F1, F1Best  float64 // in [0,1]
	AP, AUC     float64 // in [0,1]
	Mean        float64 // mean probability over the picture
	Flagged     bool    // more than 1 % of the pixels over the threshold
}

// Data describes a data set.
type Data struct {
	Name    string `json:"name"`
	Folder  string `json:"folder"`
	Trained int    `json:"trained"` // pictures to train on, to validate on, to test on
	Valid   int    `json:"valid"`
	Tested  int    `json:"tested"`
	Print   string `json:"fingerprint,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Option is a setting or a version, in the order in which it is to be read.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Picture is a test picture with the maps that models made of it. Images are encoded as JPEG or PNG.
type Picture struct {
	Test, Name string
	Why        string // Sample, Best or Worst
	Image      []byte
	Mask       []byte
	Maps       []Map
}

// Why a picture is shown.
const (
	Sample  = "sample"
	BestID  = "best in-domain"
	WorstID = "worst in-domain"
	BestOD  = "best out-of-domain"
	WorstOD = "worst out-of-domain"
)

// Map is one model's map of a picture.
type Map struct {
	Variant, Train string
	Image          []byte
	IoU            float64 // percent; NaN where there is nothing to find
}

// Metric is a score that is averaged over pictures.
type Metric struct {
	Key, Name string
	Percent   bool
	Of        func(Score) float64
}

// Metrics are the scores in the order of the tables. The first is the one that figures show.
var Metrics = []Metric{
	{"iou", "IoU", true, func(s Score) float64 { return s.IoU }},
	{"f1", "F1", false, func(s Score) float64 { return s.F1 }},
	{"f1_best", "F1 best", false, func(s Score) float64 { return s.F1Best }},
	{"ap", "AP", false, func(s Score) float64 { return s.AP }},
	{"auc", "AUC", false, func(s Score) float64 { return s.AUC }},
}

// value is the picture's score where it counts, NaN elsewhere: pictures that nobody touched have no mask to find.
func (m Metric) value(s Score) float64 {
	if !s.Manipulated {
		return math.NaN()
	}
	return m.Of(s)
}
