package picture

import (
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files/powerloss"
)

// A map or a mask is whole or absent after a power failure: localize, eval and forge write theirs
// so.
func TestWrittenPicturesSurvivePowerLoss(t *testing.T) {
	dir := t.TempDir()
	r := powerloss.Record(t, dir)
	m := NewGray(40, 30)
	for i := range m.Pix {
		m.Pix[i] = uint8(i * i)
	}
	if err := WritePNG(filepath.Join(dir, "a.prob.png"), m); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	absent, whole := 0, 0
	r.Replay(func(_ testing.TB, s powerloss.State) {
		f, err := os.Open(filepath.Join(s.Dir, "a.prob.png"))
		if errors.Is(err, os.ErrNotExist) {
			absent++
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := png.Decode(f); err != nil {
			t.Errorf("after %d changes: %v", s.Changes, err)
		}
		whole++
	})
	if absent == 0 || whole == 0 {
		t.Errorf("%d states without the file, %d with it", absent, whole)
	}
}
