package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

const cpuProvider = "CPUExecutionProvider"

// device is a kind of execution provider and the number of the unit.
type device struct {
	kind   string // "cpu", "cuda", ...; "auto" only before the choice
	number int    // -1: not given
}

func (d device) String() string {
	if d.number < 0 {
		return d.kind
	}
	return d.kind + ":" + strconv.Itoa(d.number)
}

// parseDevice reads "auto", "cpu", "cuda", "cuda:1".
func parseDevice(text string) (device, error) {
	kind, number, hasNumber := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	d := device{kind: kind, number: -1}
	switch {
	case kind == "" && !hasNumber:
		d.kind = "auto"
	case kind == "":
		return d, fmt.Errorf("%w: %q has no name before the colon, expected a device such as cuda:0", ErrDevice, text)
	case hasNumber:
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return d, fmt.Errorf("%w: %q must end in a number from 0, as in cuda:0", ErrDevice, text)
		}
		if kind == "auto" || kind == "cpu" {
			return d, fmt.Errorf("%w: %q: %s takes no number", ErrDevice, text, kind)
		}
		d.number = n
	}
	return d, nil
}

// providerKind maps ONNX Runtime's provider names to device kinds. Names without a kind of their
// own lose their suffix and become lower case.
func providerKind(provider string) string {
	if provider == "DmlExecutionProvider" {
		return "directml"
	}
	return strings.ToLower(strings.TrimSuffix(provider, "ExecutionProvider"))
}

// devices lists the devices that the library offers, best first. The hardware for them may be
// missing.
func (l library) devices() []string {
	kinds := make([]string, 0, len(l.providers)+1)
	for _, p := range l.providers {
		if kind := providerKind(p); kind != "cpu" && l.missingPart(kind) == "" {
			kinds = append(kinds, kind)
		}
	}
	return append(kinds, "cpu")
}

// missingPart returns the name of the file that a kind of device needs next to the library, if it
// is missing, else "". Builds with CUDA list it even if, as in the npm package, its file is not
// included.
func (l library) missingPart(kind string) string {
	if kind != "cuda" && kind != "tensorrt" && kind != "openvino" {
		return "" // part of the library itself
	}
	name := "libonnxruntime_providers_" + kind + ".so"
	if runtime.GOOS == "windows" {
		name = "onnxruntime_providers_" + kind + ".dll"
	}
	path := l.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // ONNX Runtime also looks next to the link's target
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), name)); err != nil {
		return name
	}
	return ""
}

// choose sets the engine's device. A device other than the CPU is tested with a tiny model.
func (e *Engine) choose(want device) error {
	offered := e.library.devices()
	if want.kind == "auto" {
		e.device = device{kind: "cpu", number: -1}
		if !slices.Contains(offered, "cuda") {
			return nil
		}
		e.device = device{kind: "cuda", number: 0}
		if err := e.try(); err != nil {
			e.note = fmt.Sprintf("cuda is offered but does not work: %v", err)
			e.device = device{kind: "cpu", number: -1}
		}
		return nil
	}
	if !slices.Contains(offered, want.kind) {
		return e.lacks(want, offered)
	}
	if want.number < 0 && (want.kind == "cuda" || want.kind == "tensorrt" || want.kind == "directml") {
		want.number = 0
	}
	e.device = want
	if want.kind == "cpu" {
		return nil
	}
	if err := e.try(); err != nil {
		return fmt.Errorf("%w: %q is in the library %s but does not work: %w", ErrDevice, want, e.library.path, err)
	}
	return nil
}

func (e *Engine) lacks(want device, offered []string) error {
	hint := ""
	known := slices.ContainsFunc(e.library.providers, func(p string) bool { return providerKind(p) == want.kind })
	if part := e.library.missingPart(want.kind); known && part != "" {
		hint = fmt.Sprintf(" (%s is missing next to the library)", part)
	}
	return fmt.Errorf("%w: the library %s lacks %q%s, it has: %s",
		ErrDevice, e.library.path, want.kind, hint, strings.Join(offered, ", "))
}

// try loads and runs the smallest possible model on the chosen device.
func (e *Engine) try() error {
	s, err := e.Load(identityModel(), SessionOptions{})
	if err != nil {
		return err
	}
	defer s.Close()
	x, err := NewTensor([]int{1}, []float32{1})
	if err != nil {
		return err
	}
	y, err := s.Run(context.Background(), map[string]*Tensor{"x": x}, nil)
	if err != nil {
		return err
	}
	if got := y["y"].Float32s()[0]; got != 1 {
		return fmt.Errorf("a copy of 1 is %g", got)
	}
	return nil
}

// appendProvider makes the session run on the engine's device; operations that the device does not
// support run on the CPU.
func (d device) appendProvider(o *ort.SessionOptions) error {
	number := map[string]string{"device_id": strconv.Itoa(max(d.number, 0))}
	switch d.kind {
	case "cpu":
		return nil
	case "cuda":
		c, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer c.Destroy()
		if err := c.Update(number); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(c)
	case "tensorrt":
		t, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer t.Destroy()
		if err := t.Update(number); err != nil {
			return err
		}
		return o.AppendExecutionProviderTensorRT(t)
	case "coreml":
		return o.AppendExecutionProviderCoreMLV2(nil)
	case "openvino":
		return o.AppendExecutionProviderOpenVINO(nil)
	case "directml":
		return o.AppendExecutionProviderDirectML(max(d.number, 0))
	}
	// ONNX Runtime's short names for the rest: XNNPACK, QNN, WebGPU and the like.
	name := map[string]string{"xnnpack": "XNNPACK", "qnn": "QNN", "webgpu": "WebGPU"}[d.kind]
	if name == "" {
		name = d.kind
	}
	return o.AppendExecutionProvider(name, nil)
}
