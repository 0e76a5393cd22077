package enginetest

import (
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

// Library returns the value of DECLIP_ORT_LIB for a process that the test starts: the variable's
// current value, or the project's cache. If neither exists it returns "", and the process searches
// as usual.
func Library(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("DECLIP_ORT_LIB"); path != "" {
		return path
	}
	cache := filepath.Join(ModuleRoot(tb), ".cache", "onnxruntime")
	if _, err := os.Stat(cache); err != nil {
		return ""
	}
	return cache
}

// ModuleRoot returns the directory of go.mod above the current one.
func ModuleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the test's directory")
		}
		dir = parent
	}
}
