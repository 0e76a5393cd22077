package engine

import (
	"errors"
	"strings"
	"testing"
)

// The messages are ONNX Runtime's, of runs under ulimit -d and ulimit -v.
func TestRunError(t *testing.T) {
	for text, memory := range map[string]bool{
		"Error running network: Non-zero status code returned while running ReorderOutput node. Status Message: std::bad_alloc":             true,
		"bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(...) Failed to allocate memory for requested buffer of size 346": true,
		"CUDA failure 2: out of memory":                      true,
		"Error running network: the input has another shape": false,
	} {
		err := runError(errors.New(text))
		if errors.Is(err, ErrMemory) != memory || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, expected ErrMemory: %v", text, err, memory)
		}
	}
}
