package network

import (
	"encoding/json"
	"fmt"
)

// BackboneOrigin identifies a backbone that a decoder was trained on.
type BackboneOrigin struct {
	Arch   string `json:"arch"`
	SHA256 string `json:"sha256"` // see Backbone.Digest
}

// BackbonesKey is the metadata key of the backbones that a decoder was trained on and that its file
// does not hold: a list of BackboneOrigin as JSON, in the order of the decoder's inputs.
const BackbonesKey = "declip.backbones"

// origins is the value of BackbonesKey in a file of the head.
func (h *Head) origins() (string, error) {
	var list []BackboneOrigin
	for _, d := range h.model.distinct() {
		digest, err := d.backbone.Digest()
		if err != nil {
			return "", err
		}
		list = append(list, BackboneOrigin{d.backbone.Arch(), digest})
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// checkOrigins returns an error if a backbone outside the decoder's file is not the one that the
// decoder was trained on.
func (m *Pretrained) checkOrigins() error {
	text := m.layout.file.Metadata()[BackbonesKey]
	if text == "" {
		return nil
	}
	var list []BackboneOrigin
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("metadata %q: %w", BackbonesKey, err)
	}
	distinct := m.distinct()
	if len(list) != len(distinct) {
		return fmt.Errorf("metadata %q lists %d backbones, the decoder reads %d", BackbonesKey, len(list), len(distinct))
	}
	for i, u := range distinct {
		if u.backbone.layout.file == m.layout.file {
			continue
		}
		digest, err := u.backbone.Digest()
		if err != nil {
			return err
		}
		if digest != list[i].SHA256 {
			return fmt.Errorf("the decoder was trained on %s with SHA-256 %s of its weights, those of %s in %s have %s",
				list[i].Arch, list[i].SHA256, u.backbone.Arch(), u.backbone.Path(), digest)
		}
	}
	return nil
}
