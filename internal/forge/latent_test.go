package forge

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// meanCodec keeps the mean colour of 4 x 4 pixels, and decodes a cell as one colour with a mark of
// its own: the blue of each pixel is made even. Decoded pixels can thus be recognised, and no cell
// depends on another.
type meanCodec struct{}

func (meanCodec) Reduction() int { return 4 }
func (meanCodec) Channels() int  { return 3 }
func (meanCodec) Digest() string { return "mean" }

func (meanCodec) Encode(_ context.Context, p *picture.RGB) ([]float32, int, int, error) {
	w, h := (p.Width+3)/4, (p.Height+3)/4
	z := make([]float32, w*h*3)
	for i := range z {
		x, y, c := i/3%w*4, i/3/w*4, i%3
		var sum, n float32
		for dy := y; dy < min(y+4, p.Height); dy++ {
			for dx := x; dx < min(x+4, p.Width); dx++ {
				sum, n = sum+float32(p.Pix[(dy*p.Width+dx)*3+c]), n+1
			}
		}
		z[i] = sum / n
	}
	return z, w, h, nil
}

func (meanCodec) Decode(_ context.Context, z []float32, w, h, width, height int) (*picture.RGB, error) {
	p := picture.NewRGB(width, height)
	for i := range width * height {
		cell := z[(i/width/4*w+i%width/4)*3:]
		for c := range 3 {
			p.Pix[i*3+c] = toByte(cell[c])
		}
		p.Pix[i*3+2] &^= 1
	}
	return p, nil
}

func latentScene(index uint64) *scene {
	s := sceneOf(index)
	s.codec = meanCodec{}
	return s
}

// All of a latent picture comes from the decoder; outside the mask it is what the untouched latent
// grid decodes to.
func TestLatentChangesTheMaskAndDecodesAll(t *testing.T) {
	made, fills := 0, map[any]int{}
	for index := range uint64(24) {
		s := latentScene(index)
		before := s.host.Clone()
		c, err := latent(t.Context(), s)
		if errors.Is(err, errUnsuitable) || err == nil && !plausible(s.host, c, allShares) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		made++
		fills[s.params["fill"]]++
		if !bytes.Equal(before.Pix, s.host.Pix) {
			t.Fatalf("picture %d: the host itself was written to", index)
		}
		z, w, h, _ := s.codec.Encode(t.Context(), s.host)
		plain, _ := s.codec.Decode(t.Context(), z, w, h, s.host.Width, s.host.Height)
		for i, v := range c.mask.Pix {
			if got, want := c.out.Pix[i*3:i*3+3], plain.Pix[i*3:i*3+3]; v == 0 && !bytes.Equal(got, want) {
				t.Fatalf("picture %d (%v): pixel %d,%d outside the mask is %v, the decoder gives %v", index, s.params, i%240, i/240, got, want)
			}
		}
	}
	if made < 12 || len(fills) != 3 {
		t.Errorf("%d of 24 draws were usable, by fill %v; want at least 12, and three kinds", made, fills)
	}
}

// Pasted back, the photograph's own pixels stand outside the mask but for a fading edge.
func TestLatentPastedBack(t *testing.T) {
	made := 0
	for index := range uint64(10) {
		s := latentScene(index)
		s.pasteBack = 1
		c, err := latent(t.Context(), s)
		if err != nil {
			continue
		}
		made++
		reach := c.mask.Clone()
		grow(reach, 8) // a Gaussian of 1.5 pixels is cut off after 5, in both directions
		for i, v := range reach.Pix {
			if v == 0 && !bytes.Equal(c.out.Pix[i*3:i*3+3], s.host.Pix[i*3:i*3+3]) {
				t.Fatalf("picture %d: pixel %d,%d is not the photograph's", index, i%240, i/240)
			}
		}
		if s.params["pasted_back"] != true {
			t.Errorf("picture %d: parameters %v do not say that it was pasted back", index, s.params)
		}
	}
	if made < 4 {
		t.Errorf("only %d of 10 draws were usable", made)
	}
}

// What is grafted meets what is around: with a grid that is a copy of the own but for a constant,
// nothing changes.
func TestGraftIsShiftedToFit(t *testing.T) {
	s := latentScene(3)
	z, w, h, _ := s.codec.Encode(t.Context(), s.host)
	g := &grid{z, w, h, 3}
	m := picture.NewGray(s.host.Width, s.host.Height)
	// It reaches to all borders, so that there is one place in the other grid only.
	fillPolygon(m, []point{{0, 60}, {120, 0}, {240, 90}, {130, 200}, {110, 80}})
	open := g.open(m, 4)
	other := g.clone()
	for i := range other.z {
		other.z[i] += 30
	}
	want := g.clone()
	for i, o := range open {
		if o {
			clear(g.z[i*3 : i*3+3])
		}
	}
	if err := s.graft(g, open, other, nil); err != nil {
		t.Fatal(err)
	}
	for i, v := range g.z {
		if d := v - want.z[i]; d > 0.05 || d < -0.05 { // the solver's own accuracy
			t.Fatalf("value %d of cell %d is %v, want %v", i%3, i/3, v, want.z[i])
		}
	}
}

func TestLatentNeedsACodec(t *testing.T) {
	if slices.Contains(Methods(), MethodLatent) {
		t.Errorf("%v hold %s, which needs more than photographs", Methods(), MethodLatent)
	}
	c := testConfig(t, photoFolder(t, 3))
	c.Methods = []string{MethodLatent}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "needs an autoencoder") {
		t.Errorf("error %v, want one that asks for an autoencoder", err)
	}
	c.Codec, c.Pristine, c.Count = meanCodec{}, 0, 4
	mustRun(t, c)
	for _, e := range entries(t, c.Out) {
		if e.Method != MethodLatent || e.Params["fill"] == nil {
			t.Errorf("%s: method %s with parameters %v", e.Name, e.Method, e.Params)
		}
	}
	// The directory was made with this codec.
	c.Codec = otherCodec{}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrForeignOutput) {
		t.Errorf("error %v for another autoencoder in the same directory, want %v", err, ErrForeignOutput)
	}
	c.Codec, c.Methods, c.Out, c.Count = meanCodec{}, append(Methods(), MethodLatent), c.Out+"2", 5
	mustRun(t, c)
	if n := len(entries(t, c.Out)); n != 5 {
		t.Fatalf("%d pictures, want 5", n)
	}
	if !slices.ContainsFunc(entries(t, c.Out), func(e Entry) bool { return e.Method == MethodLatent }) {
		t.Error("with a codec and no methods given, none of five pictures is latent")
	}
}

type otherCodec struct{ meanCodec }

func (otherCodec) Digest() string { return "other" }

func TestShareLimits(t *testing.T) {
	c := testConfig(t, photoFolder(t, 3))
	c.Pristine, c.Treated, c.ShareMin, c.ShareMax = 0, 0, 0.05, 0.12
	mustRun(t, c)
	for _, e := range entries(t, c.Out) {
		if e.Share < c.ShareMin || e.Share > c.ShareMax {
			t.Errorf("%s: share %v, want %v to %v", e.Name, e.Share, c.ShareMin, c.ShareMax)
		}
	}
	for _, limits := range [][2]float64{{0.0005, 0.3}, {0.1, 0.5}, {0.2, 0.21}} {
		c.ShareMin, c.ShareMax = limits[0], limits[1]
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "manipulated share") {
			t.Errorf("shares %v: error %v, want one about the share", limits, err)
		}
	}
}
