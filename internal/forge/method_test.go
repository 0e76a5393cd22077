package forge

import (
	"bytes"
	"errors"
	"image"
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture"
)

var allShares = [2]float64{MinShare, MaxShare}

// sceneOf makes a scene over synthetic pictures.
func sceneOf(index uint64) *scene {
	d := newDice(11, index)
	return &scene{
		dice: d, host: texture(240, 200, 2*index+1), share: d.drawShare(allShares), params: Params{},
		donor: func(w, h int) (*picture.RGB, error) { return d.window(texture(260, 230, 2*index+2), w, h), nil },
	}
}

// Outside the mask nothing may change, but for the fading edge of a feathered
// piece: a Gaussian of at most 1.5 pixels, cut off after three deviations.
func TestMasksAreExact(t *testing.T) {
	const fading = 6
	for _, name := range Methods() {
		m := registry[name]
		t.Run(name, func(t *testing.T) {
			made := 0
			for index := range uint64(40) {
				s := sceneOf(index)
				before := s.host.Clone()
				c, err := m(t.Context(), s)
				if errors.Is(err, errUnsuitable) || err == nil && !plausible(s.host, c, allShares) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				made++
				if !bytes.Equal(before.Pix, s.host.Pix) {
					t.Fatalf("picture %d: the host itself was written to", index)
				}
				reach := c.mask.Clone()
				// Copies may have edges of several kinds.
				if s.params["edge"] == "feather" || s.params["copies"] != nil {
					grow(reach, fading)
				}
				for i, v := range reach.Pix {
					if v == 0 && !bytes.Equal(before.Pix[i*3:i*3+3], c.out.Pix[i*3:i*3+3]) {
						t.Fatalf("picture %d (%v): pixel %d,%d changed outside the mask", index, s.params, i%240, i/240)
					}
				}
			}
			if made < 20 {
				t.Errorf("only %d of 40 draws were usable", made)
			}
		})
	}
}

func TestPlainCopyIsExact(t *testing.T) {
	checked := 0
	for index := range uint64(80) {
		s := sceneOf(index)
		c, err := copyMove(t.Context(), s)
		p := s.params
		if err != nil || p["edge"] != "hard" || p["scale"] != 1.0 || p["angle"] != 0.0 || p["flip"] != false ||
			p["copies"] != nil || p["brightness"] != nil || p["blur"] != nil || p["sharpen"] != nil || p["noise"] != nil {
			continue
		}
		checked++
		from, to := p["from"].([]int), p["to"].([]int)
		by := (from[1]-to[1])*240 + from[0] - to[0]
		for i, v := range c.mask.Pix {
			if v != 0 && !bytes.Equal(c.out.Pix[i*3:i*3+3], s.host.Pix[(i+by)*3:(i+by)*3+3]) {
				t.Fatalf("picture %d: pixel %d is not a copy", index, i)
			}
		}
	}
	if checked < 3 {
		t.Errorf("only %d plain copies in 80", checked)
	}
}

func TestShares(t *testing.T) {
	d := newDice(1, 1)
	shares := make([]float64, 4001)
	for i := range shares {
		shares[i] = d.drawShare(allShares)
	}
	slices.Sort(shares)
	if shares[0] < MinShare || shares[4000] > MaxShare {
		t.Errorf("shares reach from %v to %v", shares[0], shares[4000])
	}
	if m := shares[2000]; m < 0.05 || m > 0.07 { // the mean of 4001 draws is far steadier than that
		t.Errorf("median share is %v, want about 0.06", m)
	}
}

func TestOutlinesHaveTheAreaAskedFor(t *testing.T) {
	d := newDice(5, 5)
	for name, outline := range map[string]func() []point{
		"blob": d.blob, "polygon": d.polygon, "ellipse": d.ellipse, "rectangle": d.rectangle,
	} {
		for range 20 {
			m := picture.NewGray(600, 600)
			d.addOutline(m, outline(), point{300, 300}, 9000)
			// Some outlines cross themselves once they are stretched; none by much.
			if n := float64(count(m)); math.Abs(n-9000) > 450 {
				t.Errorf("%s covers %v pixels, want 9000 within 5 %%", name, n)
			}
		}
	}
}

func TestRegionsFollowBorders(t *testing.T) {
	d := newDice(7, 7)
	p, truth := picture.NewRGB(160, 160), picture.NewGray(160, 160)
	fillPolygon(truth, []point{{40, 50}, {120, 40}, {110, 120}, {50, 110}})
	for i, v := range truth.Pix {
		for c := range 3 {
			p.Pix[i*3+c] = toByte(float32(90 + 3*d.NormFloat64()))
			if v != 0 {
				p.Pix[i*3+c] += 60
			}
		}
	}
	m := picture.NewGray(160, 160)
	d.addRegion(m, p, point{80, 80}, 0.8*float64(count(truth))) // the area is off on purpose
	both, either := 0, 0
	for i, v := range m.Pix {
		if v != 0 && truth.Pix[i] != 0 {
			both++
		}
		if v != 0 || truth.Pix[i] != 0 {
			either++
		}
	}
	// The outline is moved by up to 3 pixels on purpose, out of some 70 across.
	if iou := float64(both) / float64(either); iou < 0.8 {
		t.Errorf("region and object overlap by %v, want 0.8", iou)
	}
}

func TestGrowMatchesBruteForce(t *testing.T) {
	d := newDice(9, 9)
	m := picture.NewGray(37, 23)
	for range 12 {
		m.Pix[d.IntN(len(m.Pix))] = 255
	}
	for _, n := range []int{3, -2} {
		got := m.Clone()
		if n < 0 {
			grow(got, 5)
		}
		start := got.Clone()
		grow(got, n)
		for i := range got.Pix {
			want := start.Pix[i]
			for j, v := range start.Pix {
				dx, dy := i%37-j%37, i/37-j/37
				if near := dx*dx+dy*dy <= n*n; near && n > 0 && v != 0 {
					want = 255
				} else if near && n < 0 && v == 0 {
					want = 0
				}
			}
			if got.Pix[i] != want {
				t.Fatalf("grow by %d: pixel %d is %d, want %d", n, i, got.Pix[i], want)
			}
		}
	}
}

// ramp returns a field that rises linearly and a hole in its middle.
func ramp(w, h int) (v []float32, open []bool) {
	v, open = make([]float32, w*h*3), make([]bool, w*h)
	for i := range open {
		x, y := i%w, i/w
		open[i] = x > 20 && x < w-20 && y > 15 && y < h-15
		for c := range 3 {
			v[i*3+c] = 20 + float32(x) + 0.5*float32(y)
		}
	}
	return v, open
}

// A linear ramp solves Laplace's equation; marching keeps to it but for the
// seam in the middle.
func TestDiffusionContinuesARamp(t *testing.T) {
	const w, h = 120, 90
	for name, tc := range map[string]struct {
		fill func(v []float32, open []bool)
		most float64 // levels of 255
		mean float64
	}{
		"harmonic":      {func(v []float32, open []bool) { solveLaplace(v, w, h, 3, open) }, 2, 0.5},
		"telea":         {func(v []float32, open []bool) { newMarch(v, w, h, open, 5, true).run() }, 40, 14},
		"navier-stokes": {func(v []float32, open []bool) { newMarch(v, w, h, open, 5, false).run() }, 40, 14},
	} {
		want, _ := ramp(w, h)
		got, open := ramp(w, h)
		n, sum, most := 0, 0.0, 0.0
		for i, o := range open {
			if o {
				got[i*3], got[i*3+1], got[i*3+2] = 255, 0, 255
			}
		}
		hole := slices.Clone(open)
		tc.fill(got, open)
		for i, o := range hole {
			for c := range 3 {
				off := math.Abs(float64(got[i*3+c] - want[i*3+c]))
				if !o && off != 0 {
					t.Fatalf("%s: given pixel %d changed", name, i)
				}
				n, sum, most = n+1, sum+off, max(most, off)
			}
		}
		if mean := sum / float64(n); most > tc.most || mean > tc.mean {
			t.Errorf("%s: off by %.2f levels at most and %.2f on average, want %v and %v", name, most, mean, tc.most, tc.mean)
		}
	}
}

func TestPatchesContinueATexture(t *testing.T) {
	const w, h = 120, 120
	p := picture.NewRGB(w, h)
	for i := range w * h {
		v := float32(128 + 100*math.Sin(2*math.Pi*float64(i%w+i/w)/12))
		p.Pix[i*3], p.Pix[i*3+1], p.Pix[i*3+2] = toByte(v), toByte(v/2), toByte(255-v)
	}
	mask := picture.NewGray(w, h)
	fillDisc(mask, point{60, 60}, 20)
	for _, copyBest := range []bool{false, true} {
		q := newPatches(p.Clone(), mask, 3, newDice(1, 2))
		for i, o := range q.hole {
			if o {
				q.pix[i*3], q.pix[i*3+1], q.pix[i*3+2] = 0, 255, 0
			}
		}
		q.copyBest = copyBest
		if !q.complete() {
			t.Fatal("not completed")
		}
		sum := 0
		for i, v := range q.pix {
			sum += abs(int(v) - int(p.Pix[i]))
		}
		// Stripes of 12 pixels can be continued all but exactly.
		if mean := float64(sum) / float64(3*count(mask)); mean > 6 {
			t.Errorf("copyBest %v: off by %.1f levels on average, want 6", copyBest, mean)
		}
	}
}

func TestWarp(t *testing.T) {
	p := texture(40, 30, 3)
	m := picture.NewGray(40, 30)
	fillPolygon(m, []point{{10, 8}, {30, 8}, {30, 22}, {10, 22}})
	piece, r := cut(p, m)
	if r != image.Rect(2, 0, 38, 30) {
		t.Errorf("cut out %v", r)
	}
	if same := (warp{scale: 1}).apply(piece); !slices.Equal(same.rgb, piece.rgb) {
		t.Error("the identity changes samples")
	}
	turned := (warp{scale: 1, angle: 90, kernel: "bilinear"}).apply(piece)
	if turned.w != piece.h || turned.h != piece.w {
		t.Fatalf("a quarter turn of %d x %d is %d x %d", piece.w, piece.h, turned.w, turned.h)
	}
	for y := range turned.h {
		for x := range turned.w {
			// A quarter turn moves samples onto samples; 0.01 is for the sine's rounding.
			got, want := turned.rgb[(y*turned.w+x)*3], piece.rgb[((piece.h-1-x)*piece.w+y)*3]
			if math.Abs(float64(got-want)) > 0.01 {
				t.Fatalf("turned pixel %d,%d is %v, want %v", x, y, got, want)
			}
		}
	}
	for _, kernel := range []string{"nearest", "bilinear", "bicubic"} {
		for _, scale := range []float64{0.5, 1.6} {
			scaled := (warp{scale: scale, kernel: kernel}).apply(piece)
			var area float64
			for _, a := range scaled.alpha {
				area += float64(a)
			}
			if want := 20 * 14 * scale * scale; math.Abs(area-want) > 0.1*want {
				t.Errorf("%s at %v: area %v, want %v within 10 %%", kernel, scale, area, want)
			}
		}
	}
}

func TestResampledMasksKeepTheirShare(t *testing.T) {
	d := newDice(1, 1)
	for _, step := range []Treatment{{"resample", 0.7}, {"resample", 1.3}, {"blur", 0.8}, {"noise", 4}, {"recompress", 70}} {
		s := Sample{Picture: texture(160, 120, 4), Mask: picture.NewGray(160, 120)}
		fillDisc(s.Mask, point{70, 60}, 30)
		before := share(s.Mask)
		if err := d.treat(&s, step); err != nil {
			t.Fatal(err)
		}
		if s.Mask.Width != s.Picture.Width || s.Mask.Height != s.Picture.Height {
			t.Errorf("%v: picture is %d x %d, mask %d x %d", step, s.Picture.Width, s.Picture.Height, s.Mask.Width, s.Mask.Height)
		}
		if after := share(s.Mask); math.Abs(after-before) > 0.02*before {
			t.Errorf("%v: share went from %v to %v", step, before, after)
		}
	}
}
