package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// A soak of some 15 seconds in all: each fault occurs once. No time that it measures decides.
func TestSoak(t *testing.T) {
	t.Setenv(engine.LibraryVariable, enginetest.Library(t))
	program := filepath.Join(t.TempDir(), "declip")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "../../cmd/declip").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	broken, err := run(t.Context(), options{declip: program, duration: 10 * time.Second, queue: 2, seed: 1, keep: t.TempDir(), faults: strings.Join(allFaults, ",")})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range broken {
		t.Error(text)
	}
}
