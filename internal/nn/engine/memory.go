package engine

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMemory is wrapped by the error of a run that the system, a container or a limit of the process
// (ulimit -d, ulimit -v) gave too little memory.
var ErrMemory = errors.New("not enough memory")

// outOfMemory are parts of ONNX Runtime's messages, which has no code for this error.
var outOfMemory = []string{"bad_alloc", "Failed to allocate memory", "out of memory"}

// runError says what the failure of a run means.
func runError(err error) error {
	for _, part := range outOfMemory {
		if strings.Contains(err.Error(), part) {
			return fmt.Errorf("run model: %w: a smaller picture or batch needs less: %w", ErrMemory, err)
		}
	}
	return fmt.Errorf("run model: %w", err)
}
