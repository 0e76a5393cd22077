package calibrate

import (
	"testing"

	"github.com/declip/declip/internal/nn/network"
)

func TestFindWhatIsAskedFor(t *testing.T) {
	for _, o := range []Options{{}, {Copies: true}, {DoubleJPEG: true}, {Copies: true, DoubleJPEG: true}} {
		for arch, able := range map[string]bool{network.ArchLite: true, network.ArchXception: false} {
			n, err := network.New(network.Spec{Arch: arch}, 1)
			if err != nil {
				t.Fatal(err)
			}
			wanted := o.Copies || o.DoubleJPEG
			if err := o.find(n); (err != nil) != (wanted && !able) {
				t.Errorf("%s, %+v: %v", arch, o, err)
			}
			if s := n.Spec(); able && (s.Copies != o.Copies || s.DoubleJPEG != o.DoubleJPEG) {
				t.Errorf("%s, %+v: copies %v, double JPEG %v", arch, o, s.Copies, s.DoubleJPEG)
			}
		}
	}
}
