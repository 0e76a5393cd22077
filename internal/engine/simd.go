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
