package models

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

//go:embed models
var embedded embed.FS

// Default is the model that is used when none is asked for.
const Default = "lite"

const suffix = ".safetensors"

// ErrNotFound is wrapped by errors about a name that is no model.
var ErrNotFound = errors.New("no such model")

// Names lists the models built into the program, sorted.
func Names() []string {
	entries, _ := embedded.ReadDir("models") // it is always there: go:embed put it there
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			names = append(names, name)
		}
	}
	return names
}

// Size is the length in bytes of a built-in model's file, 0 if there is none of
// that name.
func Size(name string) int {
	data, _ := builtin(name)
	return len(data)
}

// BuiltIn says whether Open takes name for a model that is built in.
func BuiltIn(name string) bool {
	_, ok := builtin(name)
	return ok
}

// Open opens a model's weights. name is looked up as a built-in model, then as
// Find does. The caller closes the file.
func Open(name string) (*weights.File, error) {
	if data, ok := builtin(name); ok {
		return weights.OpenBytes(name, data)
	}
	file, err := Find(name)
	if err != nil {
		return nil, err
	}
	return weights.Open(file)
}

// Find is the path of a model's file. name is looked up as the path of a file,
// then in the models folder: as the name of a file there, with or without its
// ending, and as a name of the catalogue. An unknown name is ErrNotFound with
// the places that were looked at, or with how to get it.
func Find(name string) (string, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return name, nil
	}
	isFolder := err == nil // which does not keep a model of the models folder from its name
	dir, err := Folder()
	if err != nil {
		return "", err
	}
	if filepath.IsLocal(name) {
		for _, ending := range append([]string{""}, suffixes...) {
			file := filepath.Join(dir, name+ending)
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				return file, nil
			}
		}
	}
	if e, ok := Lookup(name); ok {
		file := filepath.Join(dir, e.File)
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
		return "", fmt.Errorf("model %q: %w: it is published, but not in %s: get it with \"declip models pull %s\"",
			name, ErrNotFound, dir, e.Name)
	}
	if isFolder {
		return "", fmt.Errorf("model %s is a folder, expected a file", name)
	}
	return "", fmt.Errorf("model %q: %w: it is not built in (%s), not published, not a file, and not in %s",
		name, ErrNotFound, listed(Names()), dir)
}

func builtin(name string) ([]byte, bool) {
	if name == "" || strings.ContainsAny(name, `/\`) {
		return nil, false
	}
	data, err := embedded.ReadFile(path.Join("models", name+suffix))
	return data, err == nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing is"
	}
	return strings.Join(names, ", ")
}
