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

// File is a study as its author writes it. Keys of the YAML file are the JSON names, and paths in
// it are relative to the file. Start from DefaultFile.
type File struct {
	Kind  string `json:"study"` // one of Kinds
	Title string `json:"title"` // "" means the usual title of the kind
	Note  string `json:"note"`  // shown below the title
	Out   string `json:"out"`   // directory of the study

	Data  []Set `json:"data"`  // for training and testing
	Tests []Set `json:"tests"` // for testing only

	Network network.Spec `json:"network"` // common to all models
	Train   train.Config `json:"train"`   // options of "declip train"
	// Models are trained models; with any, nothing is trained. A model named like a data set counts
	// as trained on it.
	Models []Model `json:"models"`

	Layers    []string   `json:"layers"`    // of a study of layers; layer0..layer23 means all of them
	Decoders  []string   `json:"decoders"`  // of a study of decoders
	Backbones []Backbone `json:"backbones"` // of a study of backbones
	// Perturb lists treatments of the test pictures, such as jpeg:75. Without any, a study of
	// robustness has several of each kind.
	Perturb []string `json:"perturb"`

	Evaluation Evaluation `json:"evaluation"`
	Cache      Cache      `json:"cache"`
}

// Set is a data set, in the form of "declip train --data". Its short form, a text, is a data set
// with the splits train, valid (optional) and test.
type Set struct {
	Name  string `json:"-" yaml:"key"`
	Data  string `json:"data"`  // a data set with splits; or instead:
	Train string `json:"train"` // for training
	Valid string `json:"valid"` // for validation, optional
	Test  string `json:"test"`  // for testing
	// Images is the directory of the pictures that a COCO file names, as --images.
	Images string `json:"images,omitempty"`
	// Masks is white (255 = manipulated) or black; "" means the layout's polarity.
	Masks string `json:"masks"`
	// MaskValues and MaskChannel say which values of masks mean manipulated, as the options
	// --mask-values and --mask-channel do; "" means that it is recognised.
	MaskValues  string `json:"mask_values"`
	MaskChannel string `json:"mask_channel"`
	AllowEmpty  bool   `json:"allow_empty_masks"` // accept a data set all of whose masks are empty
	Resize      bool   `json:"resize_masks"`      // scale masks of another size
}

// Model is a trained model, in the form of "declip localize -m".
type Model struct {
	Name string `json:"-" yaml:"key"`
	File string `json:"file"`
}

// UnmarshalText reads the short form, the model's file.
func (m *Model) UnmarshalText(text []byte) error {
	m.File = string(text)
	return nil
}

// Backbone is a variant of a study of backbones. Empty fields are those of Network and Train.
type Backbone struct {
	Name    string   `json:"-" yaml:"key"`
	Arch    string   `json:"arch"`
	Layer   string   `json:"layer"`
	Decoder string   `json:"decoder"`
	Files   []string `json:"files"`
	// Statistics name what DINOv3's pictures are normalised by; "": what the file says.
	Statistics string `json:"statistics"`
}

// Evaluation says how models are tested.
type Evaluation struct {
	Limit     int      `json:"limit"`     // largest number of pictures of each test set; 0 means all
	Threshold float64  `json:"threshold"` // probability above which a pixel counts as manipulated
	Bootstrap int      `json:"bootstrap"` // draws for the 95 % intervals; 0 gives none
	Samples   int      `json:"samples"`   // pictures of each test set shown in the report
	Clip      []string `json:"clip"`      // files of backbones that Models need and do not contain
}

// Cache says where the features of frozen backbones are cached. Many trainings of a study share
// them.
type Cache struct {
	Dir    string  `json:"dir"`     // "" means a directory in the user's cache
	SizeGB float64 `json:"size_gb"` // largest size; 0 means features.DefaultSize
	Off    bool    `json:"off"`
}

// Kinds lists the kinds of study.
var Kinds = []string{report.CrossGenerator, report.Layers, report.Decoders, report.Backbones, report.Robustness, report.Figure2}

// DefaultFile returns a study with the default options and nothing to do yet.
func DefaultFile() File { return defaultFile(train.DefaultConfig()) }

func defaultFile(c train.Config) File {
	f := File{Train: c, Evaluation: Evaluation{Threshold: 0.5, Bootstrap: 1000, Samples: 3}}
	f.Train.Spec, f.Train.BestBy, f.Train.Seed = network.Spec{}, "", 1
	return f
}

// Read reads a study's file. Options that it leaves out are those of "declip train" for its
// network. Validate checks its contents.
func Read(path string) (File, error) {
	read := func(f File) (File, error) {
		if err := yamlfile.Read(path, &f); err != nil {
			return File{}, err
		}
		f.resolve(filepath.Dir(path))
		return f, nil
	}
	f, err := read(DefaultFile())
	if err != nil {
		return File{}, err
	}
	// Which options suit is known only now that the file has been read.
	arch := f.Network.Arch
	if f.Train.Init != "" {
		arch = train.PublishedArch(f.Train.Init)
	}
	return read(defaultFile(train.DefaultConfigFor(arch, f.Train.Supervision)))
}

// UnmarshalText reads the short form, the name of the data set.
func (s *Set) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("no data set")
	}
	*s = Set{Data: string(text)}
	return nil
}

// resolve makes paths relative to the study's file relative to the current directory.
func (f *File) resolve(dir string) {
	at := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	// A model may be a name instead of a file.
	ifExists := func(p *string) {
		path := *p
		at(&path)
		if _, err := os.Stat(path); err == nil {
			*p = path
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
		ifExists(&f.Models[i].File)
	}
	for i := range f.Evaluation.Clip {
		ifExists(&f.Evaluation.Clip[i])
	}
	for i := range f.Backbones {
		for k := range f.Backbones[i].Files {
			ifExists(&f.Backbones[i].Files[k])
		}
	}
	for i := range f.Train.BackboneFiles {
		ifExists(&f.Train.BackboneFiles[i])
	}
	ifExists(&f.Train.Backbone)
	ifExists(&f.Train.Init)
}

// completed fills in the title and the treatments that depend on the kind.
func (f File) completed() File {
	if f.Title == "" {
		f.Title = titles[f.Kind]
	}
	if f.Kind == report.Robustness && len(f.Perturb) == 0 {
		f.Perturb = []string{"jpeg:90", "jpeg:75", "jpeg:50", "blur:0.5", "blur:1", "blur:2", "resize:0.75", "resize:0.5", "noise:2", "noise:5", "noise:10"}
	}
	return f
}

// titles by the kind of study.
var titles = map[string]string{
	report.CrossGenerator: "From one kind of manipulation to another", report.Layers: "Layers of a backbone",
	report.Decoders: "Decoders", report.Backbones: "Backbones", report.Robustness: "Robustness",
	report.Figure2: "Methods side by side",
}

var goodName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._,+()/-]*$`)

// Validate reports the first setting that a plan cannot be made of. It does not open the data.
func (f File) Validate() error {
	if !slices.Contains(Kinds, f.Kind) {
		return fmt.Errorf("study %q: expected one of %s", f.Kind, strings.Join(Kinds, ", "))
	}
	if f.Out == "" {
		return errors.New("no directory for the results (out)")
	}
	if f.Kind == report.Figure2 && len(f.Models) == 0 {
		return fmt.Errorf("a study of kind %s compares trained models: give at least one under models (or with --model)", f.Kind)
	}
	if len(f.Data) == 0 && (len(f.Models) == 0 || len(f.Tests) == 0) {
		return errors.New("no data sets")
	}
	names := map[string]bool{}
	for _, s := range slices.Concat(f.Data, f.Tests) {
		if names[s.Name] {
			return fmt.Errorf("two data sets are named %s", s.Name)
		}
		names[s.Name] = true
		if err := s.validate(); err != nil {
			return err
		}
	}
	if err := f.checkKind(); err != nil {
		return err
	}
	return f.checkOptions()
}

// validate reports the first mistake in the description of a data set.
func (s Set) validate() error {
	switch {
	case !goodName.MatchString(s.Name):
		return fmt.Errorf("data set %q: expected a name of letters, digits, spaces and . _ , + ( ) / - that begins with a letter or digit", s.Name)
	case s.Data == "" && s.Test == "":
		return fmt.Errorf("data set %s has nothing to test on", s.Name)
	case s.Data != "" && (s.Train != "" || s.Valid != "" || s.Test != ""):
		return fmt.Errorf("data set %s: expected either data, which has splits, or train, valid and test", s.Name)
	}
	if _, err := s.reading(); err != nil {
		return fmt.Errorf("data set %s: %w", s.Name, err)
	}
	return nil
}

// reading is how the data set's masks are read.
func (s Set) reading() (o dataset.Options, err error) {
	if o.Polarity, err = dataset.ParsePolarity(s.Masks); err != nil {
		return o, err
	}
	if o.Masks.Values, err = dataset.ParseValues(s.MaskValues); err != nil {
		return o, err
	}
	o.Masks.Channel, err = dataset.ParseChannel(s.MaskChannel)
	o.Images, o.ResizeMasks, o.AllowEmpty = s.Images, s.Resize, s.AllowEmpty
	return o, err
}

// checkKind checks the settings that only some kinds of study have.
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
	if len(f.Models) > 0 && f.Kind != report.CrossGenerator && f.Kind != report.Robustness && f.Kind != report.Figure2 {
		return fmt.Errorf("a study of %s trains its models: models cannot be given", f.Kind)
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

// checkOptions checks numbers, and that train does not repeat other settings.
func (f File) checkOptions() error {
	t := f.Train
	switch e := f.Evaluation; {
	case t.Data != "" || t.Valid != "":
		return errors.New("train: data and valid come from the study's data sets")
	case t.Spec.Arch != "" || t.Spec.Layer != "" || t.Spec.Decoder != "":
		return errors.New("train: expected the network under the key network")
	case f.Cache.SizeGB < 0 || f.Cache.SizeGB > 1e6:
		return fmt.Errorf("cache: size_gb %g: expected 0 to 1000000", f.Cache.SizeGB)
	case e.Limit < 0:
		return fmt.Errorf("evaluation: limit %d: expected 0 or more", e.Limit)
	case !(e.Threshold > 0 && e.Threshold < 1):
		return fmt.Errorf("evaluation: threshold %g: expected a number between 0 and 1, both excluded", e.Threshold)
	case e.Bootstrap < 0 || e.Bootstrap > 100_000:
		return fmt.Errorf("evaluation: bootstrap %d: expected 0 to 100000", e.Bootstrap)
	case e.Samples < 0 || e.Samples > 100:
		return fmt.Errorf("evaluation: samples %d: expected 0 to 100", e.Samples)
	case t.Seed == 0:
		return errors.New("training options: seed 0: expected at least 1")
	}
	return t.ValidateOptions()
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
