package models

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/models/download"
)

// suffixes are the suffixes of weights files, in the order in which they are tried for a name
// without one.
var suffixes = []string{suffix, ".pt", ".pth", ".bin", ".ckpt", ".pth.tar"}

// noteSuffix is the suffix of the digest files that Pull writes next to its downloads.
const noteSuffix = ".sha256"

// Base returns the last element of a model's name or path, without the suffix of a weights file.
func Base(name string) string {
	base := filepath.Base(filepath.FromSlash(name))
	for _, ending := range suffixes {
		if short, ok := strings.CutSuffix(base, ending); ok && short != "" {
			return short
		}
	}
	return base
}

// isWeights reports whether a file's name has the suffix of a file that can be opened.
func isWeights(name string) bool {
	return slices.ContainsFunc(suffixes, func(ending string) bool { return strings.HasSuffix(name, ending) })
}

// Dir returns the models directory: $DECLIP_MODELS, else declip/models in the user's cache. It
// need not exist.
func Dir() (string, error) {
	if dir := os.Getenv("DECLIP_MODELS"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("models directory: %w (set DECLIP_MODELS)", err)
	}
	return filepath.Join(cache, "declip", "models"), nil
}

// Stored describes a file in the models directory.
type Stored struct {
	Name string // the catalogue's name, else the file's
	Path string
	Size int64 // bytes
	// Published is the file's entry in the catalogue, nil if its name is not listed.
	Published *Entry
	// Partial means that a download of the file has started and is not finished. Path is then the
	// final path, and Size the number of bytes that have arrived.
	Partial bool
	// Weights means that the name has the suffix of a file that can be opened.
	Weights bool
}

// Contents lists the files in the models directory, sorted by file name. A missing directory has
// none.
func Contents() ([]Stored, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("models directory: %w", err)
	}
	var list []Stored
	for _, e := range entries {
		name, partial := strings.CutSuffix(e.Name(), download.PartSuffix)
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, noteSuffix) || strings.HasSuffix(name, download.NoteSuffix) {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name())) // follows links, as Open does
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		s := Stored{
			Name: name, Path: filepath.Join(dir, name), Size: info.Size(),
			Partial: partial, Weights: !partial && isWeights(name),
		}
		if entry, ok := Lookup(name); ok && entry.File == name {
			s.Name, s.Published = entry.Name, &entry
		}
		if entry, ok := inArchive(name); ok { // it is removed once the file is taken out
			s.Name, s.Published, s.Partial, s.Weights = entry.Name, &entry, true, false
		}
		list = append(list, s)
	}
	return list, nil
}

// inArchive is the entry whose archive has the given name.
func inArchive(name string) (Entry, bool) {
	for _, e := range Catalogue() {
		if e.Archive != nil && e.Archive.File == name {
			return e, true
		}
	}
	return Entry{}, false
}

// Installed lists the models in the models directory by the names that Open takes: the catalogue's
// if there is one, else the file's without its suffix.
func Installed() []string {
	contents, err := Contents()
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range contents {
		if s.Weights && s.Published == nil {
			s.Name = Base(s.Name)
		}
		if s.Weights && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}
