package study

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/declip/declip/internal/jobs/store"
)

// taskVersion is that of tasks and of studies in the store.
const taskVersion = 1

// Kinds of tasks.
const (
	taskTrain = "train"
	taskTest  = "test"
)

// errTask is wrapped by errors about tasks and studies that are not as this package writes them.
var errTask = errors.New("not valid")

// task is a training or a pass of models over a test set, as a message of the queue.
type task struct {
	V     int       `json:"v"`
	Kind  string    `json:"kind"`
	Run   string    `json:"run"`   // name of what is reached, in package runs
	Study string    `json:"study"` // object with the study
	Runs  []taskRun `json:"runs"`  // one to train, or those to test
	Set   string    `json:"set,omitempty"`
	Cells []string  `json:"cells,omitempty"` // keys of the cells to fill
}

// taskRun names a model of a study.
type taskRun struct {
	Variant string `json:"variant,omitempty"`
	Train   string `json:"train"`
	Key     string `json:"key"` // of the training, or of the given model
}

func decodeTask(body []byte) (t task, err error) {
	if err := json.Unmarshal(body, &t); err != nil {
		return t, fmt.Errorf("task: %w: %w", errTask, err)
	}
	switch {
	case t.V != taskVersion:
		err = fmt.Errorf("task: %w: version %d, this program knows version %d", errTask, t.V, taskVersion)
	case t.Kind == taskTrain && len(t.Runs) == 1, t.Kind == taskTest && len(t.Runs) > 0 && len(t.Cells) > 0:
	default:
		err = fmt.Errorf("task: %w: kind %q with %d models", errTask, t.Kind, len(t.Runs))
	}
	return t, err
}

// shipped is a study as its workers get it. The JSON of a File is that of its author, where data
// sets are named by keys and may be texts.
type shipped struct {
	V         int             `json:"v"`
	File      File            `json:"file"` // without what follows
	Data      []shippedSet    `json:"data"`
	Tests     []shippedSet    `json:"tests"`
	Models    []shippedModel  `json:"models"`
	Backbones []shippedChoice `json:"backbones"`
	CacheSize int64           `json:"cache_size"` // bytes
}

type (
	plainSet Set // reads no texts

	shippedSet struct {
		Name string `json:"name"`
		plainSet
	}
	shippedModel struct {
		Name string `json:"name"`
		File string `json:"file"`
	}
	shippedChoice struct {
		Name string `json:"name"`
		Backbone
	}
)

// ship gives a study as its workers get it. Relative paths become absolute ones.
func ship(f File) ([]byte, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, list := range []*[]Set{&f.Data, &f.Tests} {
		*list = slices.Clone(*list)
		for i := range *list {
			images := &(*list)[i].Images
			if *images != "" && !filepath.IsAbs(*images) {
				*images = filepath.Join(here, *images)
			}
		}
	}
	f.Models, f.Backbones = slices.Clone(f.Models), slices.Clone(f.Backbones)
	for i := range f.Backbones {
		f.Backbones[i].Files = slices.Clone(f.Backbones[i].Files)
	}
	f.Evaluation.Clip, f.Train.BackboneFiles = slices.Clone(f.Evaluation.Clip), slices.Clone(f.Train.BackboneFiles)
	f.resolve(here)
	s := shipped{V: taskVersion}
	for _, d := range f.Data {
		s.Data = append(s.Data, shippedSet{d.Name, plainSet(d)})
	}
	for _, d := range f.Tests {
		s.Tests = append(s.Tests, shippedSet{d.Name, plainSet(d)})
	}
	for _, m := range f.Models {
		s.Models = append(s.Models, shippedModel(m))
	}
	for _, b := range f.Backbones {
		s.Backbones = append(s.Backbones, shippedChoice{b.Name, b})
	}
	// Where a worker writes and how many threads it has is its own.
	f.Out, f.Train.Threads = "", 0
	f.Data, f.Tests, f.Models, f.Backbones = nil, nil, nil, nil
	s.File, s.CacheSize = f, f.Train.Cache.Size
	return json.Marshal(s)
}

// unship is the inverse of ship.
func unship(text []byte) (File, error) {
	var s shipped
	if err := json.Unmarshal(text, &s); err != nil {
		return File{}, fmt.Errorf("study: %w: %w", errTask, err)
	}
	if s.V != taskVersion {
		return File{}, fmt.Errorf("study: %w: version %d, this program knows version %d", errTask, s.V, taskVersion)
	}
	f := s.File
	f.Train.Cache.Size = s.CacheSize
	for _, d := range s.Data {
		d.plainSet.Name = d.Name
		f.Data = append(f.Data, Set(d.plainSet))
	}
	for _, d := range s.Tests {
		d.plainSet.Name = d.Name
		f.Tests = append(f.Tests, Set(d.plainSet))
	}
	for _, m := range s.Models {
		f.Models = append(f.Models, Model(m))
	}
	for _, b := range s.Backbones {
		b.Backbone.Name = b.Name
		f.Backbones = append(f.Backbones, b.Backbone)
	}
	return f, nil
}

// putStudy stores a study for its workers, and returns its name and that of its object.
func putStudy(ctx context.Context, s store.Store, f File) (name, key string, err error) {
	text, err := ship(f)
	if err != nil {
		return "", "", err
	}
	const digits = 32
	name = hash("study 1", string(text))[:digits]
	key = "studies/" + name + ".json"
	return name, key, s.Put(ctx, key, bytes.NewReader(text))
}

// getStudy reads the study that putStudy has stored.
func getStudy(ctx context.Context, s store.Store, key string) (File, error) {
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return File{}, err
	}
	defer body.Close()
	const most = 16 << 20
	text, err := io.ReadAll(io.LimitReader(body, most))
	if err != nil {
		return File{}, err
	}
	return unship(text)
}
