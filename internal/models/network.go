package models

import (
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// OpenNetwork opens a model by its name, as Open does, and recognises the network in it. extra are
// files with backbones that a decoder may lack; a backbone that is in none of them is looked up in
// the models directory. opened are the files that OpenNetwork opened, the model's own first, and is
// set even if there is an error: the caller closes them after the last use of the model.
func OpenNetwork(name string, o network.Override, extra []*weights.File) (m *network.Pretrained, opened []*weights.File, err error) {
	f, err := Open(name)
	if err != nil {
		return nil, nil, err
	}
	opened = append(opened, f)
	m, err = network.OpenPretrained(f, o, extra...)
	var needs *network.MissingBackboneError
	if !errors.As(err, &needs) || len(needs.Archs) == 0 {
		return m, opened, err
	}
	for _, arch := range needs.Archs {
		other, findErr := Open(arch)
		if errors.Is(findErr, ErrNotFound) {
			return nil, opened, fmt.Errorf("%w: not given, and %w", err, findErr)
		}
		if findErr != nil {
			return nil, opened, findErr
		}
		opened = append(opened, other)
	}
	m, err = network.OpenPretrained(f, o, slices.Concat(extra, opened[1:])...)
	return m, opened, err
}
