package onnxruntime

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/declip/declip/internal/models/download"
)

// Version is the version of ONNX Runtime that is installed. scripts/onnxruntime/package.json pins
// the same one.
const Version = "1.30.0"

// Licence is the licence of ONNX Runtime, LicenceURL its text.
const (
	Licence    = "MIT"
	LicenceURL = "https://github.com/microsoft/onnxruntime/blob/v" + Version + "/LICENSE"
)

// Package is an archive, gzipped tar, that contains a library for several platforms.
type Package struct {
	File         string             // name of the archive's file
	RegistryPath string             // of the file, relative to a registry's address
	Size         int64              // of the file, in bytes
	SHA256       string             // of the file, in hexadecimal
	Libraries    map[string]Library // by platform, as GOOS/GOARCH
}

// Library is one platform's library in a package.
type Library struct {
	Member string // its name in the archive
	Name   string // of the installed file; the engine looks for such names
	Size   int64  // in bytes
	SHA256 string // in hexadecimal
}

// Pinned returns the package that this version of the program installs from.
func Pinned() Package {
	return Package{
		File:         "onnxruntime-node-" + Version + ".tgz",
		RegistryPath: "onnxruntime-node/-/onnxruntime-node-" + Version + ".tgz",
		Size:         113507888,
		SHA256:       "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
		Libraries: map[string]Library{
			"linux/amd64": {
				Member: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
				Name:   "libonnxruntime.so." + Version,
				Size:   45828512,
				SHA256: "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
			},
			"linux/arm64": {
				Member: "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
				Name:   "libonnxruntime.so." + Version,
				Size:   25135496,
				SHA256: "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
			},
			"darwin/arm64": {
				Member: "package/bin/napi-v6/darwin/arm64/libonnxruntime." + Version + ".dylib",
				Name:   "libonnxruntime." + Version + ".dylib",
				Size:   44589928,
				SHA256: "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
			},
			"windows/amd64": {
				Member: "package/bin/napi-v6/win32/x64/onnxruntime.dll",
				Name:   "onnxruntime.dll",
				Size:   28754232,
				SHA256: "508c362f5673483dd3a086379c392795b2e42d10d5e6f3f90ebd7ac21c97af67",
			},
			"windows/arm64": {
				Member: "package/bin/napi-v6/win32/arm64/onnxruntime.dll",
				Name:   "onnxruntime.dll",
				Size:   29815136,
				SHA256: "6c3a2abf5c6aca11c48a0d338a91af309f2266f25ce2e4084e6a87bbcb0fbfd0",
			},
		},
	}
}

// ErrPlatform is wrapped by the error about a platform for which the package has no library.
var ErrPlatform = errors.New("no library is published for this platform")

// library returns the library for a platform, as GOOS/GOARCH.
func (p Package) library(platform string) (Library, error) {
	lib, ok := p.Libraries[platform]
	if !ok {
		return Library{}, fmt.Errorf("%w: %s has libraries for %s, not for %s", ErrPlatform, p.File,
			strings.Join(slices.Sorted(maps.Keys(p.Libraries)), ", "), platform)
	}
	return lib, nil
}

// Registry is npm's public registry.
const Registry = "https://registry.npmjs.org"

// registryVariables name the environment variables with which npm is given another registry.
var registryVariables = []string{"npm_config_registry", "NPM_CONFIG_REGISTRY"}

// Source is where a package is taken from: exactly one of the fields is set.
type Source struct {
	URL  string // http or https
	File string // path of a local file
}

// Source resolves from: the http or https address of the package or of a directory that contains
// it, or the path of the file or of such a directory. If from is empty, the package comes from the
// npm registry that the environment variable npm_config_registry names, or from [Registry].
func (p Package) Source(from string) (Source, error) {
	switch {
	case from == "":
		return p.registrySource()
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		if strings.HasSuffix(from, ".tgz") {
			return Source{URL: from}, nil
		}
		address, err := download.MirrorAddress(from, p.File)
		return Source{URL: address}, err
	}
	info, err := os.Stat(from)
	if err != nil {
		return Source{}, err
	}
	if info.IsDir() {
		return Source{File: from + string(os.PathSeparator) + p.File}, nil
	}
	return Source{File: from}, nil
}

func (p Package) registrySource() (Source, error) {
	registry := Registry
	for _, name := range registryVariables {
		if value := os.Getenv(name); value != "" {
			registry = value
			break
		}
	}
	address, err := download.MirrorAddress(registry, p.RegistryPath)
	if err != nil {
		return Source{}, fmt.Errorf("npm registry: %w", err)
	}
	return Source{URL: address}, nil
}

// String returns the address or the path.
func (s Source) String() string {
	if s.URL != "" {
		return s.URL
	}
	return s.File
}
