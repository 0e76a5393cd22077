package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// Plan lists the models to train and the cells to fill, and which of them are done.
type Plan struct {
	File     File
	Runs     []*Run
	Cells    []*Cell
	Summary  []string // after Do: the results in sentences
	sets     []*set
	variants []string
	perturb  []evaluate.Perturbation           // without the zero value
	weights  map[string][]localize.WeightsFile // of models and backbones, by name
}

// Run is one model of the grid.
type Run struct {
	Variant, Train string
	Model          string // network, or the file of a given model
	Dir            string // of the training; "" for a given model
	File           string // checkpoint
	Done           bool   // the checkpoint exists
	Begun          bool   // there is an interrupted training
	Pictures       int    // for training
	Steps          int64  // of the whole training, at most
	Problem        string // why there is no model

	config   train.Config
	set      *set
	key      string
	clip     []string // files of backbones that the checkpoint needs
	contents string   // the key that covers the masks, of a training that an earlier version stored
	facts    facts
}

// Cell is one model on one test set under one treatment.
type Cell struct {
	Run       *Run
	Test      string
	Treatment evaluate.Perturbation
	Path      string // file of its scores
	Done      bool
	Pictures  int
	Problem   string

	set      *set
	key      string
	contents string // of the test data, of a cell that an earlier version filled
	result   *stored
	made     *localize.Provenance // what makes the scores that write stores
}

// NewPlan opens the data and determines what is done. An unusable data set or network is a problem
// of its runs and cells; the error is about the study as a whole, or that ctx ended.
func NewPlan(ctx context.Context, f File) (*Plan, error) {
	f = f.completed()
	if err := f.Validate(); err != nil {
		return nil, err
	}
	p := &Plan{File: f}
	for _, text := range f.Perturb {
		t, err := evaluate.ParsePerturbation(text)
		if err != nil {
			return nil, err
		}
		p.perturb = append(p.perturb, t)
	}
	p.openSets(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	variants, err := f.variants()
	if err != nil {
		return nil, err
	}
	for _, v := range variants {
		p.variants = append(p.variants, v.name)
		if err := p.addRuns(v); err != nil {
			return nil, err
		}
	}
	if err := p.checkNames(); err != nil {
		return nil, err
	}
	p.addCells()
	return p, nil
}

// variant is one layer, decoder or backbone of a study that compares them.
type variant struct {
	name   string
	config train.Config
}

// variants lists the layers, decoders or backbones; other studies have one variant without a name.
func (f File) variants() (list []variant, err error) {
	base := f.Train
	base.Spec = f.Network
	add := func(name string, change func(c *train.Config)) {
		c := base
		change(&c)
		list = append(list, variant{name, c.Completed()})
	}
	switch f.Kind {
	case report.Layers:
		layers, err := expandLayers(f.Layers)
		if err != nil {
			return nil, err
		}
		for _, layer := range layers {
			add(layer, func(c *train.Config) { c.Spec.Layer = layer })
		}
	case report.Decoders:
		for _, decoder := range f.Decoders {
			add(decoder, func(c *train.Config) { c.Spec.Decoder = decoder })
		}
	case report.Backbones:
		for _, b := range f.Backbones {
			add(b.Name, func(c *train.Config) { b.apply(c) })
		}
	default:
		list = []variant{{"", base.Completed()}}
	}
	names := map[string]bool{}
	for _, v := range list {
		if names[v.name] {
			return nil, fmt.Errorf("%s is listed twice", v.name)
		}
		names[v.name] = true
	}
	return list, nil
}

// apply puts the backbone's own settings into a configuration.
func (b Backbone) apply(c *train.Config) {
	set := func(to *string, value string) {
		if value != "" {
			*to = value
		}
	}
	set(&c.Spec.Arch, b.Arch)
	set(&c.Spec.Decoder, b.Decoder)
	set(&c.Spec.Layer, b.Layer)
	set(&c.Spec.Statistics, b.Statistics)
	if len(b.Files) > 0 {
		c.BackboneFiles = b.Files
	}
}

// addRuns adds the models of one variant.
func (p *Plan) addRuns(v variant) error {
	if len(p.File.Models) > 0 {
		for _, m := range p.File.Models {
			p.Runs = append(p.Runs, p.given(m))
		}
		return nil
	}
	for i := range p.File.Data {
		r := &Run{Variant: v.name, Train: p.File.Data[i].Name, set: p.sets[i], config: v.config}
		if err := p.prepare(r); err != nil {
			return err
		}
		p.Runs = append(p.Runs, r)
	}
	return nil
}

// given is the run of a model that is trained already.
func (p *Plan) given(m Model) *Run {
	r := &Run{Train: m.Name, Model: m.File, File: m.File, Done: true, clip: p.File.Evaluation.Clip}
	identity, err := identities(append([]string{m.File}, r.clip...))
	if err != nil {
		r.Problem, r.Done = err.Error(), false
	}
	r.key = hash("model", identity)
	return r
}

// prepare fills in the fields that follow from a run's options and data. The error is about the
// options.
func (p *Plan) prepare(r *Run) error {
	r.Model = describe(r.config.Spec)
	if r.set.problem != "" {
		r.Problem = r.set.problem
		return nil
	}
	c := &r.config
	c.TrainSource, c.ValidSource = r.set.train, r.set.valid
	c.Out = "-" // depends on the key
	if err := c.Validate(); err != nil {
		if !errors.Is(err, network.ErrSpec) || len(p.variants) < 2 && p.File.Kind != report.Layers && p.File.Kind != report.Decoders && p.File.Kind != report.Backbones {
			return err
		}
		r.Problem = err.Error() // of one variant; the others are not affected
		return nil
	}
	if err := p.settleKey(r); err != nil {
		r.Problem = err.Error()
		return nil //nolint:nilerr // the problem of this training is in the report
	}
	r.clip = c.BackboneFiles
	r.Pictures = r.set.train.Len()
	each := r.Pictures
	if c.EpochPictures > 0 {
		each = c.EpochPictures
	}
	r.Steps = int64((each+c.BatchSize-1)/c.BatchSize) * int64(c.Draws) * int64(c.Epochs)
	r.Dir = p.runDir(r, r.key)
	c.Out = r.Dir
	r.File = filepath.Join(r.Dir, "best.safetensors")
	r.Done = r.readFacts()
	_, err := os.Stat(filepath.Join(r.Dir, "last.safetensors"))
	r.Begun = err == nil && !r.Done
	return nil
}

// describe names a network for people.
func describe(s network.Spec) string { return strings.TrimSpace(s.String()) }

// runKey is a hash of everything that the result of a training depends on. kind and the prints of
// the training and validation data are those of a version of the key.
func runKey(c train.Config, kind, trained, valid string) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	var options map[string]any
	if err := json.Unmarshal(text, &options); err != nil {
		return "", err
	}
	for _, name := range []string{"data", "valid", "device", "threads", "backbone_files", "backbone", "init"} {
		delete(options, name)
	}
	files, err := identities(slices.Concat(c.BackboneFiles, installed(c), given(c.Backbone), given(c.Init)))
	if err != nil {
		return "", err
	}
	return hash(kind, withoutZeros(options), files, trained, valid), nil
}

// installed lists the backbones that the training would take from the models directory.
func installed(c train.Config) (names []string) {
	if len(c.BackboneFiles) > 0 || c.Spec.Arch == network.ArchXception || c.Spec.Arch == network.ArchLite || c.Spec.OtherAuthors() {
		return nil
	}
	for _, arch := range strings.Split(c.Spec.Arch, ",") {
		if _, err := models.Find(arch); err == nil {
			names = append(names, arch)
		}
	}
	return names
}

func given(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// withoutZeros removes options at zero, so that options added by a later version change no key.
func withoutZeros(options map[string]any) map[string]any {
	for name, value := range options {
		if nested, ok := value.(map[string]any); ok {
			if withoutZeros(nested); len(nested) == 0 {
				delete(options, name)
			}
			continue
		}
		if value == nil || value == "" || value == false || value == 0.0 {
			delete(options, name)
		}
	}
	return options
}

// hash is the hexadecimal SHA-256 of the JSON of values.
func hash(values ...any) string {
	text, err := json.Marshal(values) // strings, maps of plain values
	if err != nil {
		panic(fmt.Sprintf("study: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// checkNames rejects names that would share a file.
func (p *Plan) checkNames() error {
	seen := map[string]string{}
	for _, r := range p.Runs {
		name := strings.ToLower(fileName(r.Variant, r.Train))
		if other, ok := seen[name]; ok {
			return fmt.Errorf("%s and %s %s would have the same file name", other, r.Variant, r.Train)
		}
		seen[name] = r.Variant + " " + r.Train
	}
	return nil
}

// addCells lists the cells, run by run.
func (p *Plan) addCells() {
	e := p.File.Evaluation
	for _, r := range p.Runs {
		for _, s := range p.sets {
			for _, t := range append([]evaluate.Perturbation{{}}, p.perturb...) {
				c := &Cell{Run: r, Test: s.Name, Treatment: t, set: s, Problem: s.problem}
				p.Cells = append(p.Cells, c)
				if s.test == nil || r.key == "" {
					continue
				}
				c.Pictures = s.test.Len()
				p.settleCell(c, r, e.Threshold)
				c.Done = c.read()
			}
		}
	}
}

var unfit = regexp.MustCompile(`[^\pL\pN.+]+`)

// fileName joins names to one that is valid on all file systems.
func fileName(parts ...string) string {
	var list []string
	for _, s := range parts {
		if s = strings.Trim(unfit.ReplaceAllString(s, "-"), "-."); s != "" {
			list = append(list, s)
		}
	}
	return strings.Join(list, "--")
}
