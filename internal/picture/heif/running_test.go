package heif

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Decoders of which each may take a gibibyte wait for a place, and leave when their context ends.
func TestFewDecodersRun(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "cases", "other", "a.heic"))
	if err != nil {
		t.Fatal(err)
	}
	for range cap(running) {
		running <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Decode(ctx, data); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with all places taken: error %v, expected that time is up", err)
	}
	for range cap(running) {
		<-running
	}
	if _, err := Decode(t.Context(), data); err != nil {
		t.Error(err)
	}
	if n := len(running); n != 0 {
		t.Errorf("%d places are taken after a decode", n)
	}
}
