package tile

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/parallel"
)

// A panic in one tile is the error of the picture. It wakes the workers that wait for that tile.
func TestPanicWakesTheOthers(t *testing.T) {
	o := Options{Size: 64, Overlap: 16, Workers: 3}
	answer := cells(4)
	for name, run := range map[string]func(call int64) (panics, short bool){
		"in the network":   func(call int64) (bool, bool) { return call == 1, false },
		"in the gathering": func(call int64) (bool, bool) { return false, call == 1 },
	} {
		var calls atomic.Int64
		_, err := Localize(t.Context(), noise(300, 200), o, func(ctx context.Context, tile Tile) ([]float32, int, int, error) {
			panics, short := run(calls.Add(1))
			if panics {
				panic("fault")
			}
			logits, oh, ow, err := answer(ctx, tile)
			if short {
				return logits[:1], oh, ow, err
			}
			return logits, oh, ow, err
		})
		if err == nil || name == "in the network" && (!strings.Contains(err.Error(), "fault") || parallel.Stack(err) == nil) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
