package models

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// OpenNetwork opens a model by its name, as Open does, and recognises the network in it. extra are
// files with backbones that a decoder may lack, or with the other parts of a network; what is in
// none of them is looked up next to the model's file and in the models directory. name may also be
// a directory with the parts of a network. opened are the files that OpenNetwork opened, the
// model's own first, and is set even if there is an error: the caller closes them after the last
// use of the model.
func OpenNetwork(name string, o network.Override, extra []*weights.File) (m *network.Pretrained, opened []*weights.File, err error) {
	if first, ok := firstPart(name); ok {
		name = first
	}
	f, err := Open(name)
	if err != nil {
		return nil, nil, err
	}
	opened = append(opened, f)
	m, err = network.OpenPretrained(f, o, extra...)
	if parts := (*network.MissingPartsError)(nil); errors.As(err, &parts) {
		more, findErr := openParts(parts)
		opened = append(opened, more...)
		if findErr != nil {
			return nil, opened, fmt.Errorf("%w: %w", err, findErr)
		}
		m, err = network.OpenPretrained(f, o, slices.Concat(extra, more)...)
		return m, opened, err
	}
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

// firstPart is the file to open for a directory that holds the parts of a network.
func firstPart(name string) (string, bool) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() || BuiltIn(name) {
		return "", false
	}
	for _, file := range network.PSCCFiles() {
		path := filepath.Join(name, file)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, true
		}
	}
	return "", false
}

// openParts opens the missing parts of a network: files of their published names in the directory
// of the part that was found, or in the models directory.
func openParts(missing *network.MissingPartsError) (opened []*weights.File, err error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	for _, name := range missing.Files {
		path := filepath.Join(filepath.Dir(missing.Path), name)
		if _, err := os.Stat(path); err != nil {
			path = filepath.Join(dir, name)
		}
		f, err := weights.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return opened, fmt.Errorf("%w: %s is neither next to it nor in %s", ErrNotFound, name, dir)
		}
		if err != nil {
			return opened, err
		}
		opened = append(opened, f)
	}
	return opened, nil
}

// Joined splits the names of models into those that are opened on their own, and files with further
// parts of a network among them. The files of one network may be given as if each was a model.
func Joined(names []string) (alone, parts []string, err error) {
	var found []string
	for _, name := range names {
		part, err := isPart(name)
		if err != nil {
			return nil, nil, err
		}
		if part {
			found = append(found, name)
		}
	}
	if len(found) < 2 {
		return names, nil, nil
	}
	for _, name := range names {
		if name == found[0] || !slices.Contains(found, name) {
			alone = append(alone, name)
		}
	}
	return alone, found[1:], nil
}

// Alone lists those of the names of models that are opened on their own, see Joined.
func Alone(names []string) ([]string, error) {
	alone, _, err := Joined(names)
	return alone, err
}

// isPart says whether a name is that of a file with a part of a network. It is false for files that
// cannot be opened: the error comes when they are opened as models.
func isPart(name string) (bool, error) {
	if BuiltIn(name) {
		return false, nil
	}
	path, err := Find(name)
	if err != nil {
		return false, nil //nolint:nilerr // see above
	}
	f, err := weights.Open(path)
	if err != nil {
		return false, nil //nolint:nilerr // see above
	}
	part := network.PSCCPart(f)
	return part, f.Close()
}
