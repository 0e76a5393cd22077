package enginetest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
)

// Open returns an engine on the CPU. Without a library the test fails and says what to do.
func Open(tb testing.TB) *engine.Engine {
	tb.Helper()
	e, err := engine.Open(engine.Options{Library: Library(tb), Device: "cpu"})
	if err != nil {
		tb.Fatalf("this test needs ONNX Runtime; run \"make setup\" first: %v", err)
	}
	return e
}

// Main runs the tests of a package whose examples open the engine without naming a library: it sets
// DECLIP_ORT_LIB to the project's cache. Call it from TestMain and pass its result to os.Exit.
func Main(m *testing.M) int {
	if root, err := moduleRoot(); err == nil {
		if path := library(root); path != "" {
			if err := os.Setenv(engine.LibraryVariable, path); err != nil {
				panic(err)
			}
		}
	}
	return m.Run()
}

// Library returns the value of DECLIP_ORT_LIB for a process that the test starts: the variable's
// current value, or the project's cache. If neither exists it returns "", and the process searches
// as usual.
func Library(tb testing.TB) string {
	tb.Helper()
	return library(ModuleRoot(tb))
}

func library(root string) string {
	if path := os.Getenv(engine.LibraryVariable); path != "" {
		return path
	}
	cache := filepath.Join(root, ".cache", "onnxruntime")
	if _, err := os.Stat(cache); err != nil {
		return ""
	}
	return cache
}

// ModuleRoot returns the directory of go.mod above the current one.
func ModuleRoot(tb testing.TB) string {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test's directory")
		}
		dir = parent
	}
}
