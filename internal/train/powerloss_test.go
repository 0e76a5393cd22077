package train

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/files/powerloss"
	"github.com/declip/declip/internal/nn/weights"
)

// resumes is the number of states from which the test trains on; all others are only read.
const resumes = 6

// After a power failure at any time, both checkpoints are whole or absent, the log has what the
// last one says, and the training can be resumed.
func TestPowerLoss(t *testing.T) {
	c := config(t, open(t))
	c.Epochs, c.Draws, c.SaveSteps = 2, 1, 2
	r := powerloss.Record(t, c.Out)
	mustRun(t, c)
	r.Stop()
	log := read(t, filepath.Join(c.Out, logFile))
	var states, without, resumed int
	total := r.Replay(func(_ testing.TB, s powerloss.State) {
		states++
		last := checkWhole(t, filepath.Join(s.Dir, LastFile))
		best := checkWhole(t, filepath.Join(s.Dir, bestFile))
		switch {
		case last == nil && best != nil:
			t.Errorf("%s is there without %s", bestFile, LastFile)
		case last == nil:
			without++
		default:
			var state State
			if err := json.Unmarshal([]byte(last.Metadata()[keyState]), &state); err != nil {
				t.Fatal(err)
			}
			if got := read(t, filepath.Join(s.Dir, logFile)); !strings.HasPrefix(got, log[:state.LogBytes]) {
				t.Errorf("the log of %d bytes is not the one of %d bytes that the checkpoint continues", len(got), state.LogBytes)
			}
		}
		if s.Finished && (last == nil || best == nil) {
			t.Error("a checkpoint of a training that has ended is lost")
		}
		if states%60 == 1 && resumed < resumes {
			resumed++
			again := c
			again.Out, again.Resume = s.Dir, true
			if _, err := Run(context.Background(), again); err != nil {
				t.Errorf("resuming: %v", err)
			} else if !sameTensors(t, filepath.Join(s.Dir, LastFile), filepath.Join(c.Out, LastFile)) {
				t.Error("the resumed training ends with other weights")
			}
		}
	})
	t.Logf("%d states, %d without a checkpoint, %d resumed", total, without, resumed)
	if without == 0 || without == total || resumed != resumes {
		t.Errorf("of %d states %d had no checkpoint, %d were resumed", total, without, resumed)
	}
}

// checkWhole opens a checkpoint, whose digest must be right; nil if there is none.
func checkWhole(t *testing.T, path string) *weights.File {
	t.Helper()
	file, err := weights.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.CheckSeal(context.Background()); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return file
}
