package report

import (
	"math"
	"strings"
	"testing"
)

// The table of all cells has pooled scores where there are any, and no columns for them in results
// of versions without.
func TestPooledScores(t *testing.T) {
	r := made(t, CrossGenerator, 5)
	before := string(Analyze(r).cellsTable().CSV())
	if strings.Contains(before, "pooled") {
		t.Errorf("columns without scores:\n%.300s", before)
	}
	r.Cells[1].Pooled = &Pooled{IoU: 25, F1Plain: 0.4, BalancedAccuracy: math.NaN(), MCC: -0.125}
	lines := strings.Split(string(Analyze(r).cellsTable().CSV()), "\n")
	if want := ",problem,pooled_iou,pooled_f1_plain,pooled_balanced_accuracy,pooled_mcc"; !strings.HasSuffix(lines[0], want) {
		t.Errorf("columns %s, expected %s at the end", lines[0], want)
	}
	if !strings.HasSuffix(lines[1], ",,,,,") || !strings.HasSuffix(lines[2], ",,25,0.4,,-0.125") {
		t.Errorf("rows\n%s\n%s", lines[1], lines[2])
	}
}
