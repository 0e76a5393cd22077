package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// balanced gives the entries of IMDLBenCo's list of several data sets, an array of
// ["ManiDataset" or "JsonDataset", path]; none for another list.
func balanced(text []byte) (entries [][2]string) {
	var list [][]string
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	for _, e := range list {
		if len(e) != 2 || e[0] != "ManiDataset" && e[0] != "JsonDataset" {
			return nil
		}
		entries = append(entries, [2]string{e[0], e[1]})
	}
	return entries
}

// readBalanced lists the data sets of a balanced list in dir, each as a set of its name. Of a
// ManiDataset, IMDLBenCo uses the manipulated pictures only.
func readBalanced(dir string, entries [][2]string, byPosition bool) (all []item, notices []string, err error) {
	for _, e := range entries {
		path := within(dir, e[1])
		var items []item
		var notes []string
		if e[0] == "ManiDataset" {
			if items, notes, err = listMani(path, byPosition); err == nil {
				items = slices.DeleteFunc(items, func(it item) bool { return it.Set == SetReal })
			}
		} else {
			if raw, failed := os.ReadFile(path); failed == nil && balanced(plainText(raw)) != nil {
				return nil, nil, fmt.Errorf("data set %s names another balanced list, %s", dir, path)
			}
			items, notes, err = readList(path)
		}
		if err != nil {
			return nil, nil, err
		}
		notices = append(notices, notes...)
		for i := range items {
			items[i].Set = stemOf(filepath.Base(path))
		}
		all = append(all, items...)
	}
	return all, notices, nil
}
