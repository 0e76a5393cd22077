package localize

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/nn/network"
)

// The digest follows the weights and what is read into them, not the file's name.
func TestDigest(t *testing.T) {
	digest := func(name string, o Options) string {
		t.Helper()
		d, err := Digest(context.Background(), []string{name}, o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := tilesWith(t, func(*network.Param) {}).Path()
	same := tilesWith(t, func(*network.Param) {}).Path()
	other := tilesWith(t, func(p *network.Param) { p.Data[0]++ }).Path()
	if one == same {
		t.Fatal("the test compares a file with itself")
	}
	want := digest(one, Options{})
	if got := digest(same, Options{Threshold: 0.3}); got != want {
		t.Errorf("a copy of the file at another threshold: got %s, expected %s", got, want)
	}
	if digest(other, Options{}) == want {
		t.Error("other weights have the same digest")
	}
	if digest("lite", Options{}) == want || len(digest("lite", Options{})) != 64 {
		t.Error("the built-in model has no digest of its own")
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Digest(stopped, []string{one}, Options{}); err == nil {
		t.Error("a stopped context gave a digest")
	}
}
