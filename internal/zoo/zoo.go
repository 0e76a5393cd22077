// Package zoo finds models by name: those built into the program, files given
// by path, and files in the models folder.
package zoo

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/weights"
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

// Folder is where models are looked for by name: $DECLIP_MODELS, else
// declip/models in the user's cache folder. It need not exist.
func Folder() (string, error) {
	if dir := os.Getenv("DECLIP_MODELS"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("models folder: %w (set DECLIP_MODELS)", err)
	}
	return filepath.Join(cache, "declip", "models"), nil
}

// Installed lists the models in the models folder by name, sorted. A folder
// that does not exist holds none.
func Installed() []string {
	dir, err := Folder()
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

// Open opens a model's weights. name is looked up as a built-in model, then as
// the path of a file, then in the models folder, there with or without
// ".safetensors". The caller closes the file. An unknown name is ErrNotFound
// with the places that were looked at.
func Open(name string) (*weights.File, error) {
	if data, ok := builtin(name); ok {
		return weights.OpenBytes(name, data)
	}
	if info, err := os.Stat(name); err == nil {
		if info.IsDir() {
			return nil, fmt.Errorf("model %s is a folder, expected a %s file", name, suffix)
		}
		return weights.Open(name)
	}
	dir, err := Folder()
	if err != nil {
		return nil, err
	}
	if filepath.IsLocal(name) {
		for _, file := range []string{name, name + suffix} {
			file = filepath.Join(dir, file)
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				return weights.Open(file)
			}
		}
	}
	return nil, fmt.Errorf("model %q: %w: it is not built in (%s), not a file, and not in %s",
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
