package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain names the library of the checkout, as package enginetest does for other packages: the
// search knows neither the current directory nor that of the sources.
func TestMain(m *testing.M) {
	if libraryVariable() == "" {
		cache, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "onnxruntime"))
		if err == nil && len(librariesIn(cache)) > 0 {
			os.Setenv(LibraryVariable, cache)
		}
	}
	os.Exit(m.Run())
}
