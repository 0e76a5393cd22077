package calibrate

import (
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/network"
)

func TestAddDetectors(t *testing.T) {
	for _, c := range []struct {
		arch      string
		detectors []string
		ok        bool
	}{
		{network.ArchLite, nil, true},
		{network.ArchLite, []string{"copies"}, true},
		{network.ArchLite, []string{"copies", "double-jpeg"}, true},
		{network.ArchLite, []string{"no such detector"}, false},
		{network.ArchXception, nil, true},
		{network.ArchXception, []string{"double-jpeg"}, false},
	} {
		n, err := network.New(network.Spec{Arch: c.arch}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Options{Detectors: c.detectors}).addDetectors(n); (err == nil) != c.ok {
			t.Errorf("%s, %v: %v", c.arch, c.detectors, err)
		}
		if got := n.Spec().Detectors; c.ok && !slices.Equal(got, c.detectors) {
			t.Errorf("%s: detectors %v, expected %v", c.arch, got, c.detectors)
		}
	}
}
