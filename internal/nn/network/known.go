package network

import (
	"encoding/json"
	"fmt"
)

// Known is a backbone that a decoder was trained on.
type Known struct {
	Arch   string `json:"arch"`
	SHA256 string `json:"sha256"` // see Backbone.Digest
}

// BackbonesKey is the metadata key under which a file with a decoder tells the backbones that it was trained on and does
// not hold: a list of Known as JSON, in the order of its inputs.
const BackbonesKey = "declip.backbones"

// KnownBackbones is what a file of the trainee carries under BackbonesKey.
func (t *Trainee) KnownBackbones() (string, error) {
	var list []Known
	for _, u := range t.model.uses {
		digest, err := u.Backbone.Digest()
		if err != nil {
			return "", err
		}
		list = append(list, Known{u.Backbone.Arch(), digest})
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// checkKnown refuses backbones in other files than the decoder's that are not those that it was trained on.
func (m *Model) checkKnown() error {
	text := m.layout.file.Metadata()[BackbonesKey]
	if text == "" {
		return nil
	}
	var list []Known
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("metadata %q: %w", BackbonesKey, err)
	}
	if len(list) != len(m.uses) {
		return fmt.Errorf("metadata %q tells %d backbones, the decoder reads %d", BackbonesKey, len(list), len(m.uses))
	}
	for i, u := range m.uses {
		if u.Backbone.layout.file == m.layout.file {
			continue
		}
		digest, err := u.Backbone.Digest()
		if err != nil {
			return err
		}
		if digest != list[i].SHA256 {
			return fmt.Errorf("the decoder was trained on %s with SHA-256 %s of its weights, those of %s in %s have %s",
				list[i].Arch, list[i].SHA256, u.Backbone.Arch(), u.Backbone.Path(), digest)
		}
	}
	return nil
}
