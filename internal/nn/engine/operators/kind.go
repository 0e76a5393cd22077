package operators

// Kind is a kind of processor that the operators are built for.
type Kind string

// Kinds of processors, by the vector instructions that they require.
const (
	AVX2   Kind = "avx2"
	AVX512 Kind = "avx512"
)
