package evaluate

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

func TestParsePerturbation(t *testing.T) {
	for _, text := range []string{"jpeg:75", "blur:1.5", "resize:0.5", "noise:5"} {
		p, err := ParsePerturbation(" " + text)
		if err != nil || p.String() != text {
			t.Errorf("%q was read as %q, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"jpeg": "expected kind:value", "rotate:3": "one of jpeg, blur, resize, noise", "jpeg:0": "from 1 to 100", "jpeg:75.5": "whole number",
		"blur:x": "expected a number", "resize:0": "from 0.01 to 8", "noise:NaN": "expected a number",
	} {
		if _, err := ParsePerturbation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
}

func applied(t *testing.T, p Perturbation, rgb *picture.RGB) *picture.RGB {
	t.Helper()
	before := bytes.Clone(rgb.Pix)
	out, err := p.Apply(picture.New(rgb), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, rgb.Pix) {
		t.Errorf("%s changed the picture it was given", p)
	}
	return out.RGB
}

// A Gaussian spreads a point to exp(-r^2 / 2 sigma^2) / (2 pi sigma^2), to half a level and the cut
// at 4 sigma.
func TestBlurSpreadsAPoint(t *testing.T) {
	const n, sigma = 41, 2.0
	p := picture.NewRGB(n, n)
	for y := 18; y < 23; y++ { // a block, so that levels are well over rounding
		for x := 18; x < 23; x++ {
			p.Pix[3*(y*n+x)+1] = 255
		}
	}
	out := applied(t, Perturbation{PerturbBlur, sigma}, p)
	for y := range n {
		for x := range n {
			want := 0.0
			for v := 18; v < 23; v++ {
				for u := 18; u < 23; u++ {
					dx, dy := float64(x-u), float64(y-v)
					want += 255 * math.Exp(-(dx*dx+dy*dy)/(2*sigma*sigma)) / (2 * math.Pi * sigma * sigma)
				}
			}
			if got := out.Pix[3*(y*n+x)+1]; math.Abs(float64(got)-want) > 0.6 {
				t.Fatalf("(%d,%d) is %d, expected %.2f", x, y, got, want)
			}
		}
	}
}

func TestNoiseHasItsStrength(t *testing.T) {
	p := picture.NewRGB(200, 100)
	for i := range p.Pix {
		p.Pix[i] = 128
	}
	out := applied(t, Perturbation{PerturbNoise, 5}, p)
	sum, squares := 0.0, 0.0
	for _, v := range out.Pix {
		d := float64(v) - 128
		sum, squares = sum+d, squares+d*d
	}
	n := float64(len(out.Pix))
	// Rounding adds 1/12 to the variance; 60000 values leave 0.5 % of doubt.
	if sd := math.Sqrt(squares / n); math.Abs(sd-math.Sqrt(25+1.0/12)) > 0.1 || math.Abs(sum/n) > 0.1 {
		t.Errorf("mean %.3f, deviation %.3f", sum/n, sd)
	}
}

func TestApplySizes(t *testing.T) {
	p := square(0).Picture.RGB
	for text, want := range map[string]int{"resize:0.5": side / 2, "resize:2": 2 * side, "resize:0.01": 1, "jpeg:50": side, "blur:0": side, "noise:0": side} {
		perturbation, err := ParsePerturbation(text)
		if err != nil {
			t.Fatal(err)
		}
		if out := applied(t, perturbation, p); out.Width != want || out.Height != want {
			t.Errorf("%s: %d x %d, expected %d", text, out.Width, out.Height, want)
		}
	}
	if out := applied(t, Perturbation{PerturbJPEG, 20}, p); bytes.Equal(out.Pix, p.Pix) {
		t.Error("a JPEG of quality 20 is the picture itself")
	}
}

// A picture that was saved as JPEG has that file's coefficients; one that changed otherwise has
// none.
func TestApplyKeepsCoefficients(t *testing.T) {
	from := noisy(40, 24).Picture
	file, err := picture.EncodeJPEG(from.RGB, 60)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := picture.Decode(file, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for text, like := range map[string]*picture.Picture{"jpeg:60": saved, "blur:1": nil, "resize:0.5": nil, "noise:3": nil} {
		perturbation, err := ParsePerturbation(text)
		if err != nil {
			t.Fatal(err)
		}
		out, err := perturbation.Apply(saved, 1, 2) // of a file with coefficients of its own
		if like != nil {
			out, err = perturbation.Apply(from, 1, 2)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := out.Coefficients(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if like == nil {
			if got != nil {
				t.Errorf("%s: the picture has coefficients of a file that its pixels are not from", text)
			}
			continue
		}
		want, err := like.Coefficients(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got == nil || !slices.Equal(got.Values, want.Values) || got.Steps != want.Steps || !bytes.Equal(out.Pix, like.Pix) {
			t.Errorf("%s: the picture is not that of the file", text)
		}
	}
}
