package copymove

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// texture is a picture of soft random blobs of several sizes, on which nothing repeats.
func texture(w, h int, seed uint64) *picture.RGB {
	rng := rand.New(rand.NewPCG(seed, 7))
	sum := make([]float64, w*h)
	for _, size := range []int{3, 6, 14, 40} {
		gw, gh := w/size+2, h/size+2
		grid := make([]float32, gw*gh)
		for i := range grid {
			grid[i] = float32(rng.NormFloat64()) * 16
		}
		for i, v := range picture.ResizeFloat(grid, gw, gh, w, h) {
			sum[i] += float64(v)
		}
	}
	p := picture.NewRGB(w, h)
	for i, v := range sum {
		for c := range 3 {
			p.Pix[3*i+c] = uint8(min(max(128+v+float64(8*c), 0), 255))
		}
	}
	return p
}

// withCopy pastes a disc of the picture elsewhere in it, through the similarity with this scale, angle and side (-1 mirrors).
func withCopy(p *picture.RGB, scale, angle, side float64) (out *picture.RGB, mask []bool) {
	out, mask = p.Clone(), make([]bool, p.Width*p.Height)
	planes := [3]plane{}
	for c := range planes {
		planes[c] = newPlane(p.Width, p.Height)
		for i := range planes[c].pix {
			planes[c].pix[i] = float32(p.Pix[3*i+c])
		}
	}
	const fromX, fromY, toX, toY, radius = 130, 140, 370, 250, 62
	sin, cos := math.Sincos(angle)
	for y := range p.Height {
		for x := range p.Width {
			dx, dy := float64(x-toX), float64(y-toY)
			if math.Hypot(dx, dy) > radius {
				continue
			}
			u, v := (cos*dx+sin*dy)/scale, (-sin*dx+cos*dy)/scale*side
			i := y*p.Width + x
			mask[i] = true
			for c := range planes {
				value, _ := planes[c].sample(fromX+u, fromY+v)
				out.Pix[3*i+c] = uint8(value + .5)
			}
		}
	}
	return out, mask
}

func overlap(a, b []bool) float64 {
	both, any := 0, 0
	for i := range a {
		if a[i] && b[i] {
			both++
		}
		if a[i] || b[i] {
			any++
		}
	}
	return float64(both) / float64(max(any, 1))
}

func TestFindsCopies(t *testing.T) {
	for name, c := range map[string]struct {
		scale, angle, side float64
		quality            int
	}{
		"moved":                  {1, 0, 1, 0},
		"moved, saved as JPEG":   {1, 0, 1, 85},
		"turned":                 {1, 0.5, 1, 0},
		"turned about":           {1, 3, 1, 90},
		"larger":                 {1.25, 0, 1, 0},
		"smaller, turned, saved": {0.8, -0.3, 1, 90},
		"mirrored":               {1, 0, -1, 0},
		"mirrored and turned":    {1, 0.4, -1, 0},
	} {
		p, mask := withCopy(texture(520, 400, 3), c.scale, c.angle, c.side)
		if c.quality > 0 {
			file, err := picture.EncodeJPEG(p, c.quality)
			if err != nil {
				t.Fatal(err)
			}
			d, err := picture.Decode(file, picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			p = d.RGB
		}
		best := 0.0
		pairs := Find(p)
		for _, pair := range pairs {
			best = max(best, overlap(pair.One, mask), overlap(pair.Other, mask))
		}
		// The windows that are compared blur the outline by some pixels.
		if best < 0.7 {
			t.Errorf("%s: %d pairs, the best covers the copy to %.2f, expected 0.7", name, len(pairs), best)
		}
	}
}

func TestFindsNothing(t *testing.T) {
	flat := picture.NewRGB(300, 200)
	stripes := picture.NewRGB(300, 200)
	for i := range stripes.Pix {
		if i/3%300/10%2 == 0 {
			stripes.Pix[i] = 200
		}
	}
	for name, p := range map[string]*picture.RGB{
		"texture": texture(520, 400, 5), "flat": flat, "stripes": stripes, "one pixel": picture.NewRGB(1, 1), "narrow": texture(700, 40, 1),
	} {
		if pairs := Find(p); len(pairs) != 0 {
			t.Errorf("%s: found %d pairs", name, len(pairs))
		}
	}
}

// The same picture gives the same pairs, also a large one, which is searched at a smaller size.
func TestLargePicture(t *testing.T) {
	p, mask := withCopy(texture(520, 400, 9), 1, 0, 1)
	large := picture.Resize(p, 2080, 1600)
	a, b := Find(large), Find(large)
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("found %d and %d pairs", len(a), len(b))
	}
	if overlap(a[0].Other, b[0].Other) != 1 {
		t.Error("the same picture gave another mask")
	}
	prob := make([]float32, large.Width*large.Height)
	a[0].Rougher = 0 // in doubt: both are marked
	Mark(prob, large.Width, large.Height, a[:1])
	marked := make([]bool, len(mask))
	both := make([]bool, len(mask))
	for i := range mask {
		x, y := i%520*4+2, i/520*4+2
		marked[i] = prob[y*large.Width+x] > 0.5
		both[i] = mask[i] || math.Hypot(float64(i%520-130), float64(i/520-140)) <= 62
	}
	if got := overlap(marked, both); got < 0.7 {
		t.Errorf("the marked pixels cover the copy and its original to %.2f, expected 0.7", got)
	}
}

// The twin that looks stranger to the network, or smoother, gets the higher probability; the other stays as it is
// unless the two are much alike. Nothing is lowered.
func TestMark(t *testing.T) {
	logistic := func(x float64) float32 { return float32(1 / (1 + math.Exp(-x))) }
	for name, c := range map[string]struct {
		one, other, rougher float64 // logits and detail
		wantOne, wantOther  float32
	}{
		"other is stranger":           {-3, -1, 0, logistic(-3), strange},
		"one is stranger":             {-1, -3, 0, strange, logistic(-3)},
		"alike, one is smoother":      {-2, -2, -1, strange, logistic(-2)},
		"alike, one is rougher":       {-2, -2, 1, logistic(-2), strange},
		"smoothness against strange":  {-2, -1.5, -2, strange, logistic(-1.5)},
		"in doubt, one a little":      {-2, -2.2, 0, strange, familiar},
		"in doubt, other a little":    {-2.2, -2, 0, familiar, strange},
		"what is higher stays higher": {6, -3, 0, logistic(6), logistic(-3)},
	} {
		pair := Pair{One: []bool{true, false, false, true}, Other: []bool{false, false, true, true}, Width: 4, Height: 1, Rougher: c.rougher}
		prob := []float32{logistic(c.one), 0.2, logistic(c.other), 0.99}
		Mark(prob, 4, 1, []Pair{pair})
		for i, want := range []float32{c.wantOne, 0.2, c.wantOther, 0.99} {
			if prob[i] != want {
				t.Errorf("%s: pixel %d has %g, expected %g", name, i, prob[i], want)
			}
		}
	}
}

// A copy that was turned is smoother than its original, whichever of the twins it is.
func TestCopyIsSmoother(t *testing.T) {
	p := texture(520, 400, 3)
	rng := rand.New(rand.NewPCG(4, 4))
	for i, v := range p.Pix { // a camera's noise
		p.Pix[i] = uint8(min(max(float64(v)+2*rng.NormFloat64(), 0), 255))
	}
	p, mask := withCopy(p, 1, 0.5, 1)
	pairs := Find(p)
	if len(pairs) == 0 {
		t.Fatal("found no copy")
	}
	for _, pair := range pairs {
		if oneIsCopy := overlap(pair.One, mask) > overlap(pair.Other, mask); oneIsCopy != (pair.Rougher < -doubt) {
			t.Errorf("one is the copy: %v, rougher by %g", oneIsCopy, pair.Rougher)
		}
	}
}

func TestTransforms(t *testing.T) {
	want := transform{0.9, -0.3, 20, 0.3, 0.9, -5}
	var list []match
	for i := range 12 {
		from := &keypoint{x: float64(10 + 9*i), y: float64(7 * i * i % 90), scale: 1}
		x, y := want.apply(from.x, from.y)
		list = append(list, match{from, &keypoint{x: x, y: y, scale: 1}}, match{from, &keypoint{x: y + 300, y: float64(i * 37 % 200), scale: 1}})
	}
	got := transforms(list, false)
	if len(got) != 1 {
		t.Fatalf("found %d transforms, expected 1", len(got))
	}
	for i := range want {
		if math.Abs(got[0][i]-want[i]) > 1e-6 {
			t.Errorf("got %v, expected %v", got[0], want)
		}
	}
	x, y := want.inverse().apply(want.apply(12, 34))
	if math.Abs(x-12) > 1e-9 || math.Abs(y-34) > 1e-9 {
		t.Errorf("there and back gives %g, %g, expected 12, 34", x, y)
	}
}
