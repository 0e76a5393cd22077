package engine

import "golang.org/x/sys/cpu"

// simd names the vector instructions of this CPU that speed up matrix products, oldest first.
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

// Blocks tells whether large matrix products run faster as convolutions of one pixel, for which ONNX Runtime keeps
// channels in blocks: on processors with AVX-512. One thread of an AMD EPYC (Zen 4) does 87 to 97 GFLOP/s as Gemm and 106
// to 110 so, at the sizes of ViT-L/14.
func (e *Engine) Blocks() bool { return e.device.kind == "cpu" && cpu.X86.HasAVX512F }

// BlockChannels is how many channels ONNX Runtime keeps in a block where Blocks is true.
const BlockChannels = 16
