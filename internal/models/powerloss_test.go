package models

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files/powerloss"
	"github.com/declip/declip/internal/nn/weights"
)

// After a power failure at any time, a model can be pulled, and the digest of the first download is
// right or unknown.
func TestPullSurvivesPowerLoss(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DECLIP_MODELS", dir)
	t.Chdir(t.TempDir())
	data, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	e, _ := Lookup("declip-vit-ldm")
	options := PullOptions{Mirror: mirror(t, data)}
	r := powerloss.Record(t, dir)
	if _, err := Pull(t.Context(), e, options); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	known := map[bool]int{}
	r.Replay(func(_ testing.TB, s powerloss.State) {
		t.Setenv("DECLIP_MODELS", s.Dir)
		want, _, err := Digest(filepath.Join(s.Dir, e.File))
		if err != nil || want != "" && want != hex.EncodeToString(sum[:]) {
			t.Errorf("digest %q, %v, expected none or that of the file", want, err)
		}
		known[want != ""]++
		if _, err := Pull(t.Context(), e, options); err != nil {
			t.Errorf("after %d changes: %v", s.Changes, err)
		}
		if got, err := os.ReadFile(filepath.Join(s.Dir, e.File)); err != nil || string(got) != string(data) {
			t.Errorf("after %d changes the model of %d bytes is wrong, %v", s.Changes, len(got), err)
		}
	})
	if known[true] == 0 || known[false] == 0 {
		t.Errorf("the digest is known in %d states and unknown in %d", known[true], known[false])
	}
}
