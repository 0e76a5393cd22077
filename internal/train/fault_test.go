package train

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/parallel"
)

// A panic in any stage of a training ends it with an error, which names the picture if there is
// one. The checkpoints stay usable: resumed, the training gives the same weights as without the
// panic.
func TestPanicKeepsCheckpoints(t *testing.T) {
	e := open(t)
	c := config(t, e)
	want := mustRun(t, c).Last
	for stage, after := range map[string]int64{"load": 20, "validate": 7, "network": 7, "optimizer": 75} {
		t.Run(stage, func(t *testing.T) {
			c := c
			c.Out = t.TempDir()
			var calls atomic.Int64
			restore := parallel.Inject(func(at string) {
				if at == stage && calls.Add(1) == after {
					panic("injected")
				}
			})
			_, err := Run(context.Background(), c)
			restore()
			if err == nil || parallel.Stack(err) == nil || !strings.Contains(err.Error(), "injected") {
				t.Fatalf("got %v, want the panic as an error", err)
			}
			if stage != "optimizer" && !strings.Contains(err.Error(), "picture ") {
				t.Errorf("%q does not name the picture", err)
			}
			openFile(t, filepath.Join(c.Out, LastFile))
			c.Resume = true
			if got := mustRun(t, c).Last; !sameTensors(t, want, got) {
				t.Error("resumed, the training gives other weights")
			}
		})
	}
}
