package network

import (
	"encoding/json"
	"slices"
)

// These two detectors are older than the list of detectors and have JSON keys of their own in a
// Spec. They are still written with these keys: the names of studies' results contain a hash of the
// Spec, and earlier versions read it.
const (
	copiesDetector     = "copies"
	doubleJPEGDetector = "double-jpeg"
)

type ownKeys struct {
	Copies     bool `json:"copies,omitempty"`
	DoubleJPEG bool `json:"double_jpeg,omitempty"`
}

// MarshalJSON writes the detectors "copies" and "double-jpeg" as the keys copies and double_jpeg,
// and others as the list detectors.
func (s Spec) MarshalJSON() ([]byte, error) {
	type plain Spec
	own := ownKeys{slices.Contains(s.Detectors, copiesDetector), slices.Contains(s.Detectors, doubleJPEGDetector)}
	s.Detectors = slices.DeleteFunc(slices.Clone(s.Detectors), func(name string) bool {
		return name == copiesDetector || name == doubleJPEGDetector
	})
	return json.Marshal(struct {
		plain
		ownKeys
	}{plain(s), own})
}

// UnmarshalJSON reads both forms. Keys that the JSON lacks leave their fields unchanged.
func (s *Spec) UnmarshalJSON(text []byte) error {
	type plain Spec
	var own ownKeys
	to := struct {
		*plain
		*ownKeys
	}{(*plain)(s), &own}
	if err := json.Unmarshal(text, &to); err != nil {
		return err
	}
	if own.Copies {
		s.Detectors = append(s.Detectors, copiesDetector)
	}
	if own.DoubleJPEG {
		s.Detectors = append(s.Detectors, doubleJPEGDetector)
	}
	s.Detectors = sortedNames(s.Detectors)
	return nil
}

// OldFlag returns a function that adds the detector with the given key of its own; nil for other
// keys.
func (s *Spec) OldFlag(key string) func() {
	for old, name := range map[string]string{"copies": copiesDetector, "double_jpeg": doubleJPEGDetector} {
		if key == old {
			return func() { s.Detectors = sortedNames(slices.Concat(s.Detectors, []string{name})) }
		}
	}
	return nil
}

// sortedNames is the names in order, each once; nil without any, so that equal Specs are deeply
// equal.
func sortedNames(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
