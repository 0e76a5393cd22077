package study

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/files/powerloss"
)

// After a power failure at any time, a cell and the facts of a training are as they were written,
// or are computed again. What was reported as stored is there.
func TestPowerLoss(t *testing.T) {
	dir := t.TempDir()
	open := func(dir string) (*Run, *Cell) {
		run := &Run{Variant: "v", Train: "a", Dir: filepath.Join(dir, "run"), key: "key of the run"}
		run.File = filepath.Join(run.Dir, factsFile) // any file that is written with the facts
		return run, &Cell{Run: run, Test: "b", Path: filepath.Join(dir, cellsDir, "a.json"), key: "key of the cell"}
	}
	pictures := []evaluate.Picture{{Name: "one"}, {Name: "two"}}
	run, cell := open(dir)
	record := powerloss.Record(t, dir)
	for _, seconds := range []float64{1, 2} {
		if err := cell.write(pictures, seconds); err != nil {
			t.Fatal(err)
		}
	}
	want := facts{Key: run.key, Model: "m", Epochs: 3, Seconds: 5}
	if err := writeJSON(filepath.Join(run.Dir, factsFile), want); err != nil {
		t.Fatal(err)
	}
	record.Stop()
	filled, done := map[bool]int{}, map[bool]int{}
	record.Replay(func(_ testing.TB, s powerloss.State) {
		run, cell := open(s.Dir)
		isFilled, isDone := cell.read(), run.readFacts()
		filled[isFilled]++
		done[isDone]++
		if isFilled && (cell.result.Seconds != 1 && cell.result.Seconds != 2 || !cmp.Equal(cell.result.Pictures, pictures)) {
			t.Errorf("the cell has %+v", cell.result)
		}
		if isDone && run.facts != want {
			t.Errorf("the facts are %+v, expected %+v", run.facts, want)
		}
		if s.Finished && !(isFilled && isDone && cell.result.Seconds == 2) {
			t.Error("what was stored is lost")
		}
	})
	if len(filled) != 2 || len(done) != 2 {
		t.Errorf("cells filled: %v, trainings done: %v; expected some of both", filled, done)
	}
}
