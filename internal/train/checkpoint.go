package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// File names in the output directory.
const (
	bestFile = "best.safetensors"
	LastFile = "last.safetensors"
	logFile  = "log.jsonl"
)

// Metadata keys of a checkpoint, besides network.SpecKey.
const (
	keyOptions = "declip.train.options" // Config as JSON
	keyState   = "declip.train.state"   // State as JSON
	keyData    = "declip.train.data"    // fingerprint of the training data
	// keyContents covers the masks, too. Checkpoints of earlier versions lack it.
	keyContents = "declip.train.contents"
	keyScore    = "declip.train.metrics" // Score as JSON: of this file's weights
)

// KeyDescription is the metadata key of a checkpoint's description for people.
const KeyDescription = "declip.train.description"

// Prefixes of the tensors in last.safetensors that inference does not need.
const (
	prefixState   = "train." // optimizer: train.m.NAME, train.v.NAME
	prefixAverage = "average."
)

// saveBest writes the validated weights.
func (t *trainer) saveBest(params []network.Param, score *Score) error {
	meta, err := t.metadata(score)
	if err != nil {
		return err
	}
	return t.write(bestFile, tensors("", params), meta)
}

// saveLast writes everything that a resumed run needs.
func (t *trainer) saveLast() error {
	if err := t.recorder.mark(&t.state); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	meta, err := t.metadata(t.score)
	if err != nil {
		return err
	}
	list := tensors("", t.step.Params())
	for _, s := range t.step.states {
		list = append(list, weights.FromFloat32s(prefixState+s.Name, s.Shape, s.Data))
	}
	if t.average != nil {
		list = append(list, tensors(prefixAverage, t.average.params)...)
	}
	if err := t.write(LastFile, list, meta); err != nil {
		return err
	}
	t.saved = t.state.Step
	return nil
}

func (t *trainer) write(name string, list []weights.Tensor, meta map[string]string) error {
	path := filepath.Join(t.config.Out, name)
	if err := weights.WriteSealed(path, list, meta); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if t.config.Hooks.Saved != nil {
		t.config.Hooks.Saved(path)
	}
	return nil
}

func tensors(prefix string, params []network.Param) []weights.Tensor {
	list := make([]weights.Tensor, 0, len(params))
	for _, p := range params {
		list = append(list, weights.FromFloat32s(prefix+p.Name, p.Shape, p.Data))
	}
	return list
}

func (t *trainer) metadata(score *Score) (map[string]string, error) {
	meta, err := t.network.Metadata()
	if err != nil {
		return nil, err
	}
	meta[keyData], meta[keyContents] = t.fingerprint, t.contents
	meta[KeyDescription] = fmt.Sprintf("declip train: %v, step %d, epoch %d", t.network.Spec(), t.state.Step, t.state.Epoch)
	values := map[string]any{keyOptions: t.config, keyState: t.state}
	if score != nil {
		values[keyScore] = score
	}
	for key, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("checkpoint metadata %s: %w", key, err)
		}
		meta[key] = string(text)
	}
	return meta, nil
}

// operatorsBefore is State.Operators of last.safetensors. restore reports what is wrong with the
// file.
func (t *trainer) operatorsBefore() int {
	file, err := weights.Open(filepath.Join(t.config.Out, LastFile))
	if err != nil {
		return 0
	}
	defer file.Close()
	var state State
	if json.Unmarshal([]byte(file.Metadata()[keyState]), &state) != nil {
		return 0
	}
	return state.Operators
}

// restore reads the state in last.safetensors, whose digest must be right. Files of versions that
// wrote no digest are read with a notice.
func (t *trainer) restore(ctx context.Context) error {
	path := filepath.Join(t.config.Out, LastFile)
	file, err := weights.Open(path)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	defer file.Close()
	switch err := file.CheckSeal(ctx); {
	case errors.Is(err, weights.ErrNoSeal):
		t.notice("%s has no digest, because an earlier version wrote it: damage cannot be noticed", path)
	case err != nil:
		return fmt.Errorf("resume: %w; train again, or from a copy of the file", err)
	}
	if err := t.restoreFrom(file); err != nil {
		return fmt.Errorf("resume from %s: %w", path, err)
	}
	return nil
}

func (t *trainer) restoreFrom(file *weights.File) error {
	meta := file.Metadata()
	var stored network.Spec
	if err := json.Unmarshal([]byte(meta[network.SpecKey]), &stored); err != nil {
		return fmt.Errorf("metadata %s: %w", network.SpecKey, err)
	}
	if want := t.network.Spec(); !stored.Equal(want) {
		return fmt.Errorf("it holds another network, %+v; expected %+v", stored, want)
	}
	if got := meta[keyData]; got != t.fingerprint {
		return errors.New("it was trained on other data, or the data changed since")
	}
	if got, ok := meta[keyContents]; ok && got != t.contents {
		return errors.New("it was trained with other masks, or they are read in another way now")
	}
	if err := sameOptions(meta[keyOptions], t.config); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(meta[keyState]), &t.state); err != nil {
		return fmt.Errorf("metadata %s: %w", keyState, err)
	}
	if text, ok := meta[keyScore]; ok {
		t.score = &Score{}
		if err := json.Unmarshal([]byte(text), t.score); err != nil {
			return fmt.Errorf("metadata %s: %w", keyScore, err)
		}
	}
	for _, p := range t.step.Params() {
		if err := fill(file, p.Name, p); err != nil {
			return err
		}
	}
	for _, p := range t.step.states {
		if err := fill(file, prefixState+p.Name, p); err != nil {
			return err
		}
	}
	if t.average != nil {
		for _, p := range t.average.params {
			if err := fill(file, prefixAverage+p.Name, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill reads the tensor of the given name into p.
func fill(file *weights.File, name string, p network.Param) error {
	tensor, ok := file.Tensor(name)
	if !ok {
		return fmt.Errorf("tensor %q is missing", name)
	}
	if !slices.Equal(tensor.Shape, p.Shape) {
		return fmt.Errorf("tensor %q has shape %v, expected %v", name, tensor.Shape, p.Shape)
	}
	data, err := file.Float32s(name)
	if err != nil {
		return err
	}
	copy(p.Data, data)
	return nil
}

// mayChange lists the options that may differ when a training is resumed: locations, and when it
// ends.
var mayChange = []string{"data", "valid", "epochs", "max_time", "device", "threads", "valid_limit", "backbone_files", "skip_bad"}

// unset says whether an option is zero, as options are that a checkpoint of an earlier version does
// not have.
func unset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, part := range v {
			if !unset(part) {
				return false
			}
		}
		return true
	}
	return false
}

// sameOptions returns an error if the stored options differ from the present ones.
func sameOptions(stored string, now Config) error {
	var was, is map[string]any
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(stored), &was); err != nil {
		return fmt.Errorf("metadata %s: %w", keyOptions, err)
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return err
	}
	var differ []string
	all := maps.Clone(was)
	maps.Copy(all, is)
	for key := range all {
		if !slices.Contains(mayChange, key) && !reflect.DeepEqual(is[key], was[key]) && !(unset(is[key]) && unset(was[key])) {
			differ = append(differ, fmt.Sprintf("%s was %v and is now %v", key, was[key], is[key]))
		}
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		return fmt.Errorf("the training began with other options: %s", strings.Join(differ, "; "))
	}
	return nil
}
