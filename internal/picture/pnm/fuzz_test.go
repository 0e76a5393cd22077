package pnm

import (
	"testing"

	"github.com/declip/declip/internal/picture/rastertest"
)

// Callers compare the size in the header with their limit; Decode must not find another one.
func FuzzDecode(f *testing.F) {
	rastertest.AddSeeds(f, "cases/variants/*.p[pgba]m")
	rastertest.Reader{ReadSize: ReadSize, Decode: Decode}.FuzzWithoutHeader(f)
}
