package models

import (
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// OpenNetwork opens a model by its name, as Open does, and recognises the network in it. beside are files with the
// backbones that a decoder may come without; what is lacking still is looked for in the models folder. opened are the
// files that were opened on the way, the model's own first, also after an error: the caller closes them, after the
// model's last use.
func OpenNetwork(name string, o network.Override, beside []*weights.File) (m *network.Pretrained, opened []*weights.File, err error) {
	f, err := Open(name)
	if err != nil {
		return nil, nil, err
	}
	opened = append(opened, f)
	m, err = network.OpenPretrained(f, o, beside...)
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
	m, err = network.OpenPretrained(f, o, slices.Concat(beside, opened[1:])...)
	return m, opened, err
}
