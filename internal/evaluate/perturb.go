package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// Perturbation changes pictures as sharing them on the web does, to measure how robust a model is.
// The zero value changes nothing.
type Perturbation struct {
	Kind  string  // one of PerturbationKinds
	Value float64 // its strength: quality, sigma in pixels, factor, sigma in levels
}

// Kinds of perturbation.
const (
	PerturbJPEG   = "jpeg"   // saved as JPEG (4:2:0) at this quality, 1 to 100
	PerturbBlur   = "blur"   // Gaussian with this standard deviation in pixels, up to 100
	PerturbResize = "resize" // scaled by this factor (0.01 to 8), antialiased
	PerturbNoise  = "noise"  // Gaussian noise with this standard deviation in levels
)

// PerturbationKinds lists them.
var PerturbationKinds = []string{PerturbJPEG, PerturbBlur, PerturbResize, PerturbNoise}

// limits of Value, by kind.
var perturbLimits = map[string][2]float64{PerturbJPEG: {1, 100}, PerturbBlur: {0, 100}, PerturbResize: {0.01, 8}, PerturbNoise: {0, 255}}

// ParsePerturbation parses "kind:value", such as "jpeg:75".
func ParsePerturbation(text string) (Perturbation, error) {
	kind, number, ok := strings.Cut(strings.TrimSpace(text), ":")
	limits, known := perturbLimits[kind]
	if !ok || !known {
		return Perturbation{}, fmt.Errorf("perturbation %q: expected kind:value with kind one of %s", text, strings.Join(PerturbationKinds, ", "))
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value >= limits[0] && value <= limits[1]) {
		return Perturbation{}, fmt.Errorf("perturbation %q: expected a number from %g to %g after the colon", text, limits[0], limits[1])
	}
	if kind == PerturbJPEG && value != math.Trunc(value) {
		return Perturbation{}, fmt.Errorf("perturbation %q: expected a whole number as the quality", text)
	}
	return Perturbation{kind, value}, nil
}

// String is the form that ParsePerturbation parses; "" for none.
func (p Perturbation) String() string {
	if p.Kind == "" {
		return ""
	}
	return fmt.Sprintf("%s:%g", p.Kind, p.Value)
}

// Apply returns the perturbed picture and does not write to its argument. The noise depends on seed
// and key only, so that every model sees the same. A picture that was saved as JPEG has the
// coefficients of that file; one whose pixels changed otherwise has none, as a picture of another
// format.
func (p Perturbation) Apply(from *picture.Picture, seed, key uint64) (*picture.Picture, error) {
	rgb := from.RGB
	switch p.Kind {
	case "":
		return from, nil
	case PerturbJPEG:
		stored, _, err := picture.ThroughJPEG(rgb, int(p.Value))
		return stored, err
	case PerturbBlur:
		return picture.New(blur(rgb, p.Value)), nil
	case PerturbResize:
		side := func(n int) int { return max(1, int(math.Round(float64(n)*p.Value))) }
		return picture.New(picture.Resize(rgb, side(rgb.Width), side(rgb.Height))), nil
	case PerturbNoise:
		return picture.New(addNoise(rgb, p.Value, seed, key)), nil
	}
	return nil, fmt.Errorf("unknown perturbation %q", p.Kind)
}

func addNoise(rgb *picture.RGB, sigma float64, seed, key uint64) *picture.RGB {
	out := rgb.Clone()
	if sigma == 0 {
		return out
	}
	r := rand.New(rand.NewPCG(seed, key))
	for i, v := range out.Pix {
		out.Pix[i] = level(float64(v) + sigma*r.NormFloat64())
	}
	return out
}

// blur convolves with a Gaussian, truncated at four sigma, one direction after the other. Beyond
// the border it repeats the edge pixel.
func blur(rgb *picture.RGB, sigma float64) *picture.RGB {
	out := rgb.Clone()
	if sigma == 0 {
		return out
	}
	kernel := gaussian(sigma)
	w, h := rgb.Width, rgb.Height
	rows := make([]float32, len(rgb.Pix))
	radius := len(kernel) / 2
	for y := range h {
		row := rgb.Pix[3*y*w:][:3*w]
		for x := range w {
			var sum [3]float32
			for k, weight := range kernel {
				at := 3 * min(max(x+k-radius, 0), w-1)
				for c := range sum {
					sum[c] += weight * float32(row[at+c])
				}
			}
			copy(rows[3*(y*w+x):], sum[:])
		}
	}
	sums := make([]float32, 3*w)
	for y := range h {
		clear(sums)
		for k, weight := range kernel {
			row := rows[3*w*min(max(y+k-radius, 0), h-1):][:3*w]
			for i, v := range row {
				sums[i] += weight * v
			}
		}
		for i, v := range sums {
			out.Pix[3*w*y+i] = level(float64(v))
		}
	}
	return out
}

// gaussian is an odd number of weights that sum to one.
func gaussian(sigma float64) []float32 {
	radius := max(1, int(math.Ceil(4*sigma)))
	weights := make([]float64, 2*radius+1)
	sum := 0.0
	for i := range weights {
		d := float64(i-radius) / sigma
		weights[i] = math.Exp(-d * d / 2)
		sum += weights[i]
	}
	kernel := make([]float32, len(weights))
	for i, v := range weights {
		kernel[i] = float32(v / sum)
	}
	return kernel
}

// level rounds and clamps to [0, 255].
func level(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
