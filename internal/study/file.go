// Package study runs a grid of trainings and tests and hands the results to package report: one model for each variant (a
// layer, a decoder, a backbone) and training set, each tested on every test set and under every treatment of its pictures.
//
// What a result depends on is hashed into the name of its file or folder. A study that was killed thus goes on where it
// stopped, and one that was changed does only what the change touches.
package study

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/study/yamlfile"
	"github.com/declip/declip/internal/train"
)

// File is a study as its author writes it. Keys of the YAML file are the JSON names; paths in it are relative to the file.
type File struct {
	Kind  string `json:"study"` // one of Kinds
	Title string `json:"title"`
	Note  string `json:"note"` // shown below the title
	Out   string `json:"out"`  // folder of the study

	Data  []Set `json:"data"`  // trained on and tested on
	Tests []Set `json:"tests"` // tested on only

	Network network.Spec `json:"network"` // what all models have in common
	Train   train.Config `json:"train"`   // options of "declip train"
	// Models are trained already: then nothing is trained. One that is named like a data set counts as trained on it.
	Models []Model `json:"models"`

	Layers    []string   `json:"layers"`    // of a study of layers; layer0..layer23 stands for all between
	Decoders  []string   `json:"decoders"`  // of a study of decoders
	Backbones []Backbone `json:"backbones"` // of a study of backbones
	Perturb   []string   `json:"perturb"`   // treatments of the test pictures, as jpeg:75

	Evaluation Evaluation `json:"evaluation"`
	Cache      Cache      `json:"cache"`
}

// Set is a data set, named as "declip train --data" names it. As text it is one that has the splits train, valid (which may be
// missing) and test.
type Set struct {
	Name  string `json:"-" yaml:"key"`
	Data  string `json:"data"`  // what has the splits, or
	Train string `json:"train"` // what to train on, to validate on (may be left out), to test on
	Valid string `json:"valid"`
	Test  string `json:"test"`
	// Masks is white (255 = manipulated) or black; left out: what the layout says. Resize takes masks of another size.
	Masks  string `json:"masks"`
	Resize bool   `json:"resize_masks"`
}

// Model is a trained model: a name that "declip localize -m" takes.
type Model struct {
	Name string `json:"-" yaml:"key"`
	File string `json:"file"`
}

// UnmarshalText takes the model's file.
func (m *Model) UnmarshalText(text []byte) error {
	m.File = string(text)
	return nil
}

// Backbone is a variant of a study of backbones. What it leaves out is that of Network and Train.
type Backbone struct {
	Name    string   `json:"-" yaml:"key"`
	Arch    string   `json:"arch"`
	Layer   string   `json:"layer"`
	Decoder string   `json:"decoder"`
	Files   []string `json:"files"`
}

// Evaluation says how models are tested.
type Evaluation struct {
	Limit     int      `json:"limit"`     // at most so many pictures of each test set, evenly spread; 0 = all
	Threshold float64  `json:"threshold"` // over which a pixel counts as manipulated; 0 = 0.5
	Bootstrap *int     `json:"bootstrap"` // draws for the 95 % intervals; 0 = none, left out = 1000
	Samples   *int     `json:"samples"`   // pictures of each test set that the report shows; left out = 3
	Clip      []string `json:"clip"`      // files of backbones that given models come without
}

// Cache says where features of frozen backbones are kept, which many trainings of a study have in common.
type Cache struct {
	Dir    string  `json:"dir"`     // left out: in the user's cache folder
	SizeGB float64 `json:"size_gb"` // most that it may hold; 0 means features.DefaultSize
	Off    bool    `json:"off"`
}

// Kinds lists the kinds of study.
var Kinds = []string{report.CrossGenerator, report.Layers, report.Decoders, report.Backbones, report.Robustness}

// Read reads a study's file.
func Read(path string) (File, error) {
	f := File{Train: train.DefaultConfig(), Evaluation: Evaluation{Threshold: threshold}}
	f.Train.Spec, f.Train.BestBy, f.Train.Seed = network.Spec{}, "", seed
	if err := yamlfile.Read(path, &f); err != nil {
		return File{}, err
	}
	if err := f.CheckGiven(); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	f.resolve(filepath.Dir(path))
	return f, nil
}

// CheckGiven names the first zero that makes no sense in a File whose options began as their defaults, so that a zero is what
// somebody asked for. Elsewhere a zero stands for the default.
func (f File) CheckGiven() error {
	switch {
	case f.Evaluation.Threshold == 0:
		return errors.New("evaluation: threshold 0: expected a number between 0 and 1, both excluded")
	case f.Train.Seed == 0:
		return errors.New("training options: seed 0: want at least 1")
	}
	return f.Train.ValidateOptions()
}

// UnmarshalText takes the name of the data set.
func (s *Set) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("no data set")
	}
	*s = Set{Data: string(text)}
	return nil
}

// resolve makes paths that are relative to the study's file relative to the current folder.
func (f *File) resolve(dir string) {
	at := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	// A model may be a name instead of a file.
	ifThere := func(p *string) {
		there := *p
		at(&there)
		if _, err := os.Stat(there); err == nil {
			*p = there
		}
	}
	at(&f.Out)
	at(&f.Cache.Dir)
	for _, list := range [][]Set{f.Data, f.Tests} {
		for i := range list {
			at(&list[i].Data)
			at(&list[i].Train)
			at(&list[i].Valid)
			at(&list[i].Test)
		}
	}
	for i := range f.Models {
		ifThere(&f.Models[i].File)
	}
	for i := range f.Evaluation.Clip {
		ifThere(&f.Evaluation.Clip[i])
	}
	for i := range f.Backbones {
		for k := range f.Backbones[i].Files {
			ifThere(&f.Backbones[i].Files[k])
		}
	}
	for i := range f.Train.BackboneFiles {
		ifThere(&f.Train.BackboneFiles[i])
	}
	ifThere(&f.Train.Backbone)
	ifThere(&f.Train.Init)
}

// What is taken where nothing is said.
const (
	seed      = 1
	threshold = 0.5
)

// defaults fills in what is left out.
func (f File) defaults() File {
	if f.Title == "" {
		f.Title = titles[f.Kind]
	}
	if f.Train.Seed == 0 {
		f.Train.Seed = seed
	}
	if f.Evaluation.Threshold == 0 {
		f.Evaluation.Threshold = threshold
	}
	number := func(p **int, value int) {
		if *p == nil {
			*p = &value
		}
	}
	number(&f.Evaluation.Bootstrap, 1000)
	number(&f.Evaluation.Samples, 3)
	if f.Kind == report.Robustness && len(f.Perturb) == 0 {
		f.Perturb = []string{"jpeg:90", "jpeg:75", "jpeg:50", "blur:0.5", "blur:1", "blur:2", "resize:0.75", "resize:0.5", "noise:2", "noise:5", "noise:10"}
	}
	return f
}

var titles = map[string]string{
	report.CrossGenerator: "From one kind of manipulation to another", report.Layers: "Layers of a backbone",
	report.Decoders: "Decoders", report.Backbones: "Backbones", report.Robustness: "Robustness",
}

var goodName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._,+()/-]*$`)

// Check names the first thing in the file that makes no sense. It does not look at the data.
func (f File) Check() error {
	if !slices.Contains(Kinds, f.Kind) {
		return fmt.Errorf("study %q: expected one of %s", f.Kind, strings.Join(Kinds, ", "))
	}
	if f.Out == "" {
		return errors.New("no folder for the results (out)")
	}
	if len(f.Data) == 0 && (len(f.Models) == 0 || len(f.Tests) == 0) {
		return errors.New("no data sets")
	}
	names := map[string]bool{}
	for _, s := range slices.Concat(f.Data, f.Tests) {
		switch {
		case !goodName.MatchString(s.Name):
			return fmt.Errorf("data set %q: a name begins with a letter or digit and has no special signs", s.Name)
		case names[s.Name]:
			return fmt.Errorf("two data sets are named %s", s.Name)
		case s.Data == "" && s.Test == "":
			return fmt.Errorf("data set %s has nothing to test on", s.Name)
		case s.Data != "" && (s.Train != "" || s.Valid != "" || s.Test != ""):
			return fmt.Errorf("data set %s: either data, with splits in it, or train, valid and test", s.Name)
		}
		if _, err := dataset.ParsePolarity(s.Masks); err != nil {
			return fmt.Errorf("data set %s: %w", s.Name, err)
		}
		names[s.Name] = true
	}
	if err := f.checkKind(); err != nil {
		return err
	}
	return f.checkOptions()
}

// checkKind checks what only some kinds of study have.
func (f File) checkKind() error {
	for _, c := range []struct {
		kind, key string
		given     bool
		needed    bool
	}{
		{report.Layers, "layers", len(f.Layers) > 0, true},
		{report.Decoders, "decoders", len(f.Decoders) > 0, true},
		{report.Backbones, "backbones", len(f.Backbones) > 0, true},
		{report.Robustness, "perturb", len(f.Perturb) > 0, false},
	} {
		switch {
		case c.given && f.Kind != c.kind:
			return fmt.Errorf("%s belong to a study of kind %s, this is %s", c.key, c.kind, f.Kind)
		case !c.given && c.needed && f.Kind == c.kind:
			return fmt.Errorf("a study of kind %s needs a list of %s", c.kind, c.key)
		}
	}
	if len(f.Models) > 0 && f.Kind != report.CrossGenerator && f.Kind != report.Robustness {
		return fmt.Errorf("a study of %s trains its models, it can't be given any", f.Kind)
	}
	if len(f.Models) > 0 {
		return nil
	}
	for _, s := range f.Data {
		if s.Data == "" && s.Train == "" {
			return fmt.Errorf("data set %s has nothing to train on", s.Name)
		}
	}
	return nil
}

func (f File) checkOptions() error {
	t := f.Train
	switch e := f.Evaluation; {
	case t.Data != "" || t.Valid != "":
		return errors.New("train: data and valid come from the study's data sets")
	case t.Spec.Arch != "" || t.Spec.Layer != "" || t.Spec.Decoder != "":
		return errors.New("train: the network belongs under the key network")
	case f.Cache.SizeGB < 0 || f.Cache.SizeGB > 1e6:
		return fmt.Errorf("cache: size_gb %g: expected 0 to 1000000", f.Cache.SizeGB)
	case e.Limit < 0:
		return fmt.Errorf("evaluation: limit %d: expected 0 or more", e.Limit)
	case e.Threshold != 0 && !(e.Threshold > 0 && e.Threshold < 1):
		return fmt.Errorf("evaluation: threshold %g: expected a number between 0 and 1, both excluded", e.Threshold)
	case e.Bootstrap != nil && (*e.Bootstrap < 0 || *e.Bootstrap > 100_000):
		return fmt.Errorf("evaluation: bootstrap %d: expected 0 to 100000", *e.Bootstrap)
	case e.Samples != nil && (*e.Samples < 0 || *e.Samples > 100):
		return fmt.Errorf("evaluation: samples %d: expected 0 to 100", *e.Samples)
	}
	return nil
}

var layerRange = regexp.MustCompile(`^layer(\d{1,3})\.\.layer(\d{1,3})$`)

// expandLayers writes layer3..layer5 out.
func expandLayers(list []string) ([]string, error) {
	var out []string
	for _, text := range list {
		m := layerRange.FindStringSubmatch(text)
		if m == nil {
			out = append(out, text)
			continue
		}
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		if from > to {
			return nil, fmt.Errorf("layers %s: the first comes after the last", text)
		}
		for k := from; k <= to; k++ {
			out = append(out, fmt.Sprint("layer", k))
		}
	}
	return out, nil
}
