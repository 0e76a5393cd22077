package report

import (
	"math"
	"slices"
	"time"
)

// The kinds of study.
const (
	CrossGenerator = "cross-generator" // every training set against every test set
	Layers         = "layers"          // layers of a backbone
	Decoders       = "decoders"
	Backbones      = "backbones"
	Robustness     = "robustness" // treated test pictures, by strength
	Figure2        = "figure2"    // trained methods side by side, as in the paper's Figure 2
)

// Results is the input of a report. A study's grid has four dimensions: variants (layers, decoders,
// backbones), training sets, test sets, and treatments of the test pictures.
type Results struct {
	Kind  string `json:"study"`
	Title string `json:"title"`
	Note  string `json:"note,omitempty"` // by the author of the study

	Variants   []string    `json:"variants"`   // at least one
	Train      []string    `json:"train"`      // training sets; of Figure2 the methods
	Test       []string    `json:"test"`       // test sets: the training sets first, then the others
	Treatments []Treatment `json:"treatments"` // the first is none
	Runs       []Run       `json:"runs"`
	Cells      []Cell      `json:"-"` // their averages are in the tables' files

	Data     []Data   `json:"data"`
	Options  []Option `json:"options"`
	Versions []Option `json:"versions"`

	Threshold float64   `json:"threshold"` // probability above which a pixel counts as manipulated
	Bootstrap int       `json:"bootstrap"` // draws for the intervals; 0 means no intervals
	Seed      uint64    `json:"seed"`
	Time      time.Time `json:"time"`
	Dolos     bool      `json:"dolos"` // the data are the paper's four sets

	Pictures []Picture `json:"-"` // shown in the report
}

// Treatment is a change of the test pictures before a model sees them, such as JPEG compression.
type Treatment struct {
	Kind     string `json:"kind"`     // "" for none
	Strength string `json:"strength"` // in the user's spelling
}

// String is the treatment's form on the command line; "none" for none.
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
	Model      string   `json:"model"` // network or file, for display
	Folder     string   `json:"folder,omitempty"`
	Parameters int      `json:"parameters,omitempty"` // number of trained values
	Epochs     int      `json:"epochs,omitempty"`
	BestEpoch  int      `json:"best_epoch,omitempty"`
	ValidIoU   *float64 `json:"valid_iou,omitempty"` // percent, of the best epoch
	Seconds    float64  `json:"seconds,omitempty"`   // of training, without interruptions
	Problem    string   `json:"problem,omitempty"`   // why there is no model
	// Weights are the files that were scored: the model's, then its backbones'. It and ScoredWith
	// are empty in results of versions that did not record them.
	Weights []Weights `json:"weights,omitempty"`
	// ScoredWith names the versions of declip and of the engine that filled the model's cells.
	ScoredWith []string `json:"scored_with,omitempty"`
}

// Weights identifies a file with weights.
type Weights struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // hexadecimal
}

// Cell is one model on one test set under one treatment.
type Cell struct {
	Variant, Train, Test string
	Treatment            Treatment
	Scores               []Score // one for each picture of the test set, in the set's order
	Seconds              float64
	Problem              string // why there are no scores
	Failed               int    // pictures that could not be scored; they are in no average
	Failure              string // why the first of them could not be scored
	// Pooled are the scores of the pixels of all manipulated pictures together; nil in results of
	// versions without them.
	Pooled *Pooled
}

// Pooled are scores in which each pixel counts the same. A score that is not defined is NaN.
type Pooled struct {
	IoU              float64 // percent
	F1Plain          float64 // in [0,1]
	BalancedAccuracy float64 // in [0,1]
	MCC              float64 // in [-1,1]
}

// pooledColumns are the columns of Pooled in the table of all cells, with their values.
var pooledColumns = []struct {
	Column
	metric Metric
	of     func(Pooled) float64
}{
	{Column{"pooled_iou", "pooled IoU", false}, metricOf("iou"), func(p Pooled) float64 { return p.IoU }},
	{Column{"pooled_f1_plain", "pooled F1 plain", false}, metricOf("f1_plain"), func(p Pooled) float64 { return p.F1Plain }},
	{Column{"pooled_balanced_accuracy", "pooled balanced accuracy", false}, metricOf("balanced_accuracy"),
		func(p Pooled) float64 { return p.BalancedAccuracy }},
	{Column{"pooled_mcc", "pooled MCC", false}, metricOf("mcc"), func(p Pooled) float64 { return p.MCC }},
}

// pooled says whether a cell has pooled scores.
func (a *Analysis) pooled() bool {
	return slices.ContainsFunc(a.Cells, func(c Cell) bool { return c.Pooled != nil })
}

// Score holds one picture's scores. A score that is not defined for the picture is NaN.
type Score struct {
	Name        string
	Manipulated bool
	IoU         float64 // percent
	F1, F1Best  float64 // in [0,1]
	AP, AUC     float64 // in [0,1]
	// Over all pixels, at the threshold. They are NaN in results of versions without them.
	F1Plain          float64 // no band along the mask's border is ignored; in [0,1]
	BalancedAccuracy float64 // in [0,1]
	MCC              float64 // Matthews' correlation coefficient, in [-1,1]
	Mean             float64 // mean probability over the picture
	Flagged          bool    // more than 1 % of the pixels over the threshold
}

// Data describes a data set.
type Data struct {
	Name    string `json:"name"`
	Folder  string `json:"folder"`
	Trained int    `json:"trained"` // training pictures
	Valid   int    `json:"valid"`   // validation pictures
	Tested  int    `json:"tested"`  // test pictures
	Print   string `json:"fingerprint,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Option is a setting or a version.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Picture is a test picture with maps of several models. Images are encoded as JPEG or PNG.
type Picture struct {
	Test, Name string
	Why        string // Sample, BestID, WorstID, BestOD or WorstOD
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
	IoU, F1        float64 // percent and [0,1], NaN if they are not defined
}

// Metric is a score that is averaged over pictures.
type Metric struct {
	Key, Name string
	Percent   bool
	Of        func(Score) float64
}

// Metrics are the scores in the order of the tables. Figures show the first.
var Metrics = []Metric{
	{"iou", "IoU", true, func(s Score) float64 { return s.IoU }},
	{"f1", "F1", false, func(s Score) float64 { return s.F1 }},
	{"f1_best", "F1 best", false, func(s Score) float64 { return s.F1Best }},
	{"ap", "AP", false, func(s Score) float64 { return s.AP }},
	{"auc", "AUC", false, func(s Score) float64 { return s.AUC }},
	{"f1_plain", "F1 plain", false, func(s Score) float64 { return s.F1Plain }},
	{"balanced_accuracy", "balanced accuracy", false, func(s Score) float64 { return s.BalancedAccuracy }},
	{"mcc", "MCC", false, func(s Score) float64 { return s.MCC }},
}

// plainMetrics are the scores over all pixels, which other tools compute too.
var plainMetrics = []Metric{metricOf("f1_plain"), metricOf("balanced_accuracy"), metricOf("mcc")}

// measured leaves out those of plainMetrics that no cell has, as in results of versions without
// them.
func (a *Analysis) measured(list []Metric) []Metric {
	return slices.DeleteFunc(slices.Clone(list), func(m Metric) bool {
		return slices.ContainsFunc(plainMetrics, func(p Metric) bool { return p.Key == m.Key }) &&
			!slices.ContainsFunc(a.Cells, func(c Cell) bool {
				return slices.ContainsFunc(c.Scores, func(s Score) bool { return !math.IsNaN(m.value(s)) })
			})
	})
}

// value is the picture's score; NaN for untouched pictures, which have no area to find.
func (m Metric) value(s Score) float64 {
	if !s.Manipulated {
		return math.NaN()
	}
	return m.Of(s)
}
