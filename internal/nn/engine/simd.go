package engine

import (
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sys/cpu"

	"github.com/declip/declip/internal/nn/engine/operators"
)

// simd returns the names of the CPU's vector instructions that speed up matrix products, oldest
// first.
func simd() []string {
	var names []string
	for _, f := range []struct {
		has  bool
		name string
	}{
		{cpu.X86.HasSSE42, "sse4.2"},
		{cpu.X86.HasAVX, "avx"},
		{cpu.X86.HasFMA, "fma"},
		{cpu.X86.HasAVX2, "avx2"},
		{cpu.X86.HasAVX512F, "avx512f"},
		{cpu.X86.HasAVX512VNNI, "avx512vnni"},
		{cpu.X86.HasAMXTile, "amx"},
		{cpu.ARM64.HasASIMD, "neon"},
		{cpu.ARM64.HasASIMDDP, "dotprod"},
		{cpu.ARM64.HasASIMDHP, "fp16"},
		{cpu.ARM64.HasSVE, "sve"},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

// Blocks reports whether large matrix products run faster as 1 x 1 convolutions, for which ONNX
// Runtime keeps channels in blocks: on processors with AVX-512. At the sizes of ViT-L/14, one
// thread of an AMD EPYC (Zen 4) reaches 87 to 97 GFLOP/s with Gemm, and 106 to 110 with
// convolutions.
func (e *Engine) Blocks() bool { return e.device.kind == "cpu" && cpu.X86.HasAVX512F }

// Winograd reports whether sessions have the operators of package operators.
func (e *Engine) Winograd() bool { return e.winograd() != "" }

// winograd returns the kind of processor for which sessions have the operators, or "".
func (e *Engine) winograd() operators.Kind {
	kinds := operators.Kinds()
	if e.device.kind != "cpu" || e.library.base == nil || len(kinds) == 0 {
		return ""
	}
	return kinds[0]
}

// addOperations adds the operators of package operators to the options of a session with a number
// of threads.
func (e *Engine) addOperations(options *ort.SessionOptions, threads int) error {
	kind := e.winograd()
	if kind == "" {
		return nil
	}
	// The binding does not expose the options that it wraps, which are its only field.
	return operators.Register(e.library.base, *(*unsafe.Pointer)(unsafe.Pointer(options)), kind, threads)
}
