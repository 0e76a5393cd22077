package models

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/weights"
)

func writeModel(t *testing.T, path, note string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	tensors := []weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}
	if err := weights.Write(path, tensors, map[string]string{"note": note}); err != nil {
		t.Fatal(err)
	}
}

func TestOpenOrder(t *testing.T) {
	work, models := t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("DECLIP_MODELS", models)
	writeModel(t, filepath.Join(models, "both.safetensors"), "folder")
	writeModel(t, filepath.Join(models, "sub", "deep.safetensors"), "deep")
	writeModel(t, filepath.Join(work, "both.safetensors"), "path")
	writeModel(t, filepath.Join(work, Default), "path")
	writeModel(t, filepath.Join(models, "maps.safetensors"), "folder")
	if err := os.Mkdir("maps", 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"both.safetensors": "path",   // a path takes precedence
		"both":             "folder", // there is no file of this name here
		"sub/deep":         "deep",
		"maps":             "folder", // a directory is skipped
	}
	for name, want := range tests {
		f, err := Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := f.Metadata()["note"]; got != want {
			t.Errorf("%s came from %q, expected %q", name, got, want)
		}
		f.Close()
	}
	if got := Installed(); !slices.Equal(got, []string{"both", "maps"}) {
		t.Errorf("installed %v, expected [both maps]", got)
	}
}

func TestBuiltIn(t *testing.T) {
	t.Setenv("DECLIP_MODELS", t.TempDir())
	t.Chdir(t.TempDir())
	if !slices.Contains(Names(), Default) {
		t.Fatalf("built in are %v, expected %s among them", Names(), Default)
	}
	// It is part of every copy of the program.
	if size := Size(Default); size == 0 || size > 8<<20 {
		t.Errorf("%s takes %d bytes, expected at most 8 MiB", Default, size)
	}
	writeModel(t, Default, "path")
	f, err := Open(Default)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Metadata()["note"] != "" {
		t.Errorf("%s came from a file, expected the built-in model", Default)
	}
}

func TestOpenRefuses(t *testing.T) {
	models := t.TempDir()
	t.Setenv("DECLIP_MODELS", models)
	writeModel(t, filepath.Join(filepath.Dir(models), "outside.safetensors"), "outside")
	for _, name := range []string{"nosuch", "", "../outside", "README.md", "../open.go"} {
		_, err := Open(name)
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), models) {
			t.Errorf("%q: error %v, expected one that says no such model and where was looked", name, err)
		}
	}
	if _, err := Open(models); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("folder: error %v", err)
	}
}
