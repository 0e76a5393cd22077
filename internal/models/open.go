package models

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

//go:embed models
var embedded embed.FS

// Default is the model that is used if none is named.
const Default = "lite"

const suffix = ".safetensors"

// ErrNotFound is wrapped by errors about a name that is not a model's.
var ErrNotFound = errors.New("no such model")

// Names returns the names of the models built into the program, sorted.
func Names() []string {
	entries, _ := embedded.ReadDir("models") // cannot fail: go:embed has put it there
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			names = append(names, name)
		}
	}
	return names
}

// Size returns the length in bytes of a built-in model's file, 0 if there is no such model.
func Size(name string) int {
	info, err := fs.Stat(embedded, embeddedPath(name))
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// SHA256 returns the digest of a built-in model's file in hexadecimal, "" if there is no such
// model.
func SHA256(name string) string {
	data, ok := builtin(name)
	if !ok {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// versions are the versions of weights by their SHA-256: for built-in ones, the day of their
// training and their number on that day.
var versions = map[string]string{
	"e45e7bd807fe1d069190881329076471708aa9d5c49604469b24f9e513a0551f": "2026-11-29.2", // lite before
	"fde86023985fe8ae33bb17e74feeb07a163714f67b9e193763be49a54afe74e9": "2026-11-30.1", // lite before
	"fb450f896b10ed574cb4a14a5bf88a650703bbe1ac670e4d497ab6a2115b7018": "2026-11-30.2", // lite before
	"422ca7c842900d4ab0b3893515e99ce6164a53bd259f209b5e813640b0e3f1e8": "2026-12-01.1", // lite
}

// Version returns the version of a weights file by its SHA-256 in hexadecimal, "" if it has none.
func Version(sha256 string) string { return versions[sha256] }

// BuiltIn reports whether name is that of a built-in model.
func BuiltIn(name string) bool {
	_, err := fs.Stat(embedded, embeddedPath(name))
	return err == nil
}

// Open opens a model's weights. name is looked up among the built-in models, then as Find does. The
// caller closes the file.
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

// Find returns the path of a model's file. name is looked up as the path of a file or of a
// directory with the shards of a model, then in the models directory: as the name of such a
// directory, as that of a file, with or without its suffix, and as a name of the catalogue. For an
// unknown name the error wraps ErrNotFound and lists the places that were searched, or says how to
// download the model.
func Find(name string) (string, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return name, nil
	}
	isFolder := err == nil
	if isFolder {
		if path := weights.IndexIn(name); path != "" {
			return path, nil
		}
	}
	// A model in the models directory may have the name of another directory.
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	if filepath.IsLocal(name) && filepath.Clean(name) != "." {
		if path := weights.IndexIn(filepath.Join(dir, name)); path != "" {
			return path, nil
		}
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
		return "", fmt.Errorf("model %q: %w: it is published, but not in %s: download it with \"declip models pull %s\"",
			name, ErrNotFound, dir, e.Name)
	}
	if isFolder {
		return "", fmt.Errorf("model %s is a directory without %s: expected a file", name, weights.IndexName)
	}
	if strings.ContainsRune(name, filepath.Separator) || slices.Contains(suffixes, filepath.Ext(name)) {
		return "", fmt.Errorf("model %q: %w: there is no such file, here or in %s", name, ErrNotFound, dir)
	}
	return "", fmt.Errorf("model %q: %w: it is not built in (%s), not published, not a file, and not in %s; \"declip models list\" shows all",
		name, ErrNotFound, listed(Names()), dir)
}

// builtin returns a copy of a built-in model's file.
func builtin(name string) ([]byte, bool) {
	data, err := embedded.ReadFile(embeddedPath(name))
	return data, err == nil
}

// embeddedPath is a built-in model's place; no file's for a name with separators.
func embeddedPath(name string) string {
	if name == "" || strings.ContainsAny(name, `/\`) {
		return ""
	}
	return path.Join("models", name+suffix)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
