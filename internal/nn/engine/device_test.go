package engine

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseDevice(t *testing.T) {
	for text, want := range map[string]string{
		"": "auto", "auto": "auto", "cpu": "cpu", "CUDA": "cuda", "cuda:1": "cuda:1", " tensorrt:0 ": "tensorrt:0", "coreml": "coreml",
	} {
		d, err := parseDevice(text)
		if err != nil || d.String() != want {
			t.Errorf("%q: got %q, %v, expected %q", text, d, err, want)
		}
	}
	for _, text := range []string{"cuda:", "cuda:x", "cuda:-1", ":0", ":", "cpu:0", "auto:1", "cuda:0:1"} {
		if _, err := parseDevice(text); !errors.Is(err, ErrDevice) {
			t.Errorf("%q: got error %v, expected ErrDevice", text, err)
		}
	}
}

func TestDeviceThatTheLibraryLacks(t *testing.T) {
	devices := open(t).Info().Devices
	for _, want := range []string{"tpu", "cuda", "tensorrt:1", "coreml"} {
		kind, _, _ := strings.Cut(want, ":")
		if slices.Contains(devices, kind) {
			continue // a library for GPUs was given
		}
		_, err := Open(Options{Device: want})
		if !errors.Is(err, ErrDevice) {
			t.Errorf("%s: got error %v, expected ErrDevice", want, err)
			continue
		}
		for _, word := range append(devices, kind) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error does not name %q: %v", want, word, err)
			}
		}
	}
}

func TestDevicesOffered(t *testing.T) {
	dir := t.TempDir()
	lib := library{
		path:      filepath.Join(dir, "libonnxruntime.so"),
		providers: []string{"TensorrtExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider", cpuProvider},
	}
	if got, want := lib.devices(), []string{"directml", "cpu"}; !slices.Equal(got, want) {
		t.Errorf("without the parts beside it: got %v, expected %v", got, want)
	}
	write(t, filepath.Join(dir, lib.missingPart("cuda")), "")
	if got, want := lib.devices(), []string{"cuda", "directml", "cpu"}; !slices.Equal(got, want) {
		t.Errorf("with CUDA's part: got %v, expected %v", got, want)
	}
}

func TestAutoFallsBack(t *testing.T) {
	// The library claims CUDA, and the file for it exists but does not work.
	e := open(t)
	if slices.Contains(e.Info().Devices, "cuda") {
		t.Skip("the library has CUDA")
	}
	dir := t.TempDir()
	fake := &Engine{threads: 1, library: library{
		path:      filepath.Join(dir, "libonnxruntime.so"),
		providers: []string{"CUDAExecutionProvider", cpuProvider},
	}}
	write(t, filepath.Join(dir, fake.library.missingPart("cuda")), "broken")
	if err := fake.choose(device{kind: "auto", number: -1}); err != nil {
		t.Fatal(err)
	}
	if fake.device.String() != "cpu" || !strings.Contains(fake.note, "cuda") {
		t.Errorf("got device %v, note %q, expected cpu and a note on cuda", fake.device, fake.note)
	}
	if err := fake.choose(device{kind: "cuda", number: -1}); !errors.Is(err, ErrDevice) {
		t.Errorf("cuda asked for by name: got %v, expected ErrDevice", err)
	}
}

func TestProbeModel(t *testing.T) {
	if err := open(t).try(); err != nil {
		t.Errorf("the model that proves a device does not run on the CPU: %v", err)
	}
}
