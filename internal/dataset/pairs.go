package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
)

// negative is what IMDLBenCo writes in the place of a mask for an untouched picture.
const negative = "Negative"

// readPairs reads IMDLBenCo's JsonDataset, an array of [picture, mask or "Negative"], and passes
// each pair to take, with its number in the place of a line.
func readPairs(text []byte, take func(line int, e entry) error) (unused []string, err error) {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	for i, raw := range list {
		var pair []string
		if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
			return nil, fmt.Errorf("entry %d of the array: expected [\"picture\", \"mask\"] or [\"picture\", %q]", i+1, negative)
		}
		e := entry{Image: pair[0], Mask: pair[1]}
		if e.Mask == negative {
			e.Mask, e.Label = "", "untouched"
		}
		if e.Image == "" {
			return nil, errors.New("a pair without a picture")
		}
		if err := take(i+1, e); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
