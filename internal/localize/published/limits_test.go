package published

import (
	"errors"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// Pictures that are too large or too small are refused before anything is computed.
func TestLimits(t *testing.T) {
	large, small := picture.New(picture.NewRGB(4001, 4000)), picture.New(picture.NewRGB(28, 64))
	for _, c := range []struct {
		spec   network.Spec
		p      *picture.Picture
		tooBig bool
		want   string
	}{
		{network.Spec{Arch: network.ArchTruFor}, large, true, "4001 x 4000 pixels (16.0 MP), and TruFor takes at most 16 MP at the picture's own size: use a part of the picture"},
		{network.Spec{Arch: network.ArchTruFor}, small, false, "TruFor needs at least 29 x 29"},
		{network.Spec{Arch: network.ArchPSCCNet}, large, true, "PSCC-Net takes at most 4 MP at the picture's own size: use --input 256"},
	} {
		n, err := For(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.Input(t.Context(), c.p)
		if err == nil || errors.Is(err, picture.ErrTooLarge) != c.tooBig || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, expected %q in it", c.spec.Arch, err, c.want)
		}
	}
	scaled, err := For(network.Spec{Arch: network.ArchPSCCNet, ResizeOptions: network.ResizeOptions{Input: 256}})
	if err != nil {
		t.Fatal(err)
	}
	if in, err := scaled.Input(t.Context(), large); err != nil || in.Width != 256 || in.Height != 256 {
		t.Errorf("scaled: got %+v and error %v", in, err)
	}
}
