package study

import (
	"strings"
	"testing"

	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train/features"
)

// All layers of a backbone come out of one pass: after the first training on a data set the cache
// holds what the trainings on its other layers need.
func TestLayers(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	f.Kind, f.Layers = report.Layers, []string{"layer0..layer1", "layer2"}
	f.Network.Layer, f.Train.BatchSize = "", 4
	d := mustDo(t, f, 6, 12)
	info, err := features.Inspect(f.Cache.Dir)
	if err != nil {
		t.Fatal(err)
	}
	// Two sets, training and validation pictures, three layers.
	if want := 2 * (5 + 3) * 3; info.Records != want {
		t.Errorf("the cache holds %d features, want %d", info.Records, want)
	}
	page := d.plan.File.Out + "/" + report.PageFile
	if text := read(t, page); !strings.Contains(text, "the best layer is layer") || !strings.Contains(text, "IoU by layer") {
		t.Errorf("%s has no layers in it", page)
	}
	mustDo(t, f, 0, 0)
}
