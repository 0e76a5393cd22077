package copymove

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/parallel"
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

// withCopy pastes a disc of the picture elsewhere in it, through the similarity with this scale,
// angle and side (-1 mirrors).
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

func find(t *testing.T, p *picture.RGB) Pairs {
	t.Helper()
	pairs, err := Find(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

// The search ends with its context, in whichever stage that is.
func TestFindStops(t *testing.T) {
	p, _ := withCopy(texture(520, 400, 3), 1, 0, 1)
	for _, stage := range []string{"keypoints", "match", "pieces"} {
		ctx, cancel := context.WithCancel(t.Context())
		restore := parallel.Inject(func(at string) {
			if at == stage {
				cancel()
			}
		})
		pairs, err := Find(ctx, p)
		restore()
		if !errors.Is(err, context.Canceled) || pairs != nil {
			t.Errorf("%s: got %d pairs and error %v, expected none and %v", stage, len(pairs), err, context.Canceled)
		}
	}
}

// A panic in a goroutine of the search is an error of the search.
func TestFindSurvivesPanics(t *testing.T) {
	p, _ := withCopy(texture(520, 400, 3), 1, 0, 1)
	for _, stage := range []string{"keypoints", "match", "pieces"} {
		restore := parallel.Inject(func(at string) {
			if at == stage {
				panic("fault in " + stage)
			}
		})
		_, err := Find(t.Context(), p)
		restore()
		if err == nil || !strings.Contains(err.Error(), "fault in "+stage) {
			t.Errorf("%s: got error %v", stage, err)
		}
	}
}

func overlap(a, b []bool) float64 {
	both, either := 0, 0
	for i := range a {
		if a[i] && b[i] {
			both++
		}
		if a[i] || b[i] {
			either++
		}
	}
	return float64(both) / float64(max(either, 1))
}

// saved is the picture after it was saved as JPEG.
func saved(t *testing.T, p *picture.RGB, quality int) *picture.RGB {
	t.Helper()
	file, err := picture.EncodeJPEG(p, quality)
	if err != nil {
		t.Fatal(err)
	}
	d, err := picture.Decode(file, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d.RGB
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
			p = saved(t, p, c.quality)
		}
		best := 0.0
		pairs := find(t, p)
		for _, pair := range pairs {
			best = max(best, overlap(pair.One, mask), overlap(pair.Other, mask))
		}
		if best < 0.85 {
			t.Errorf("%s: %d pairs, the best covers the copy to %.2f, expected 0.85", name, len(pairs), best)
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
		if pairs := find(t, p); len(pairs) != 0 {
			t.Errorf("%s: found %d pairs", name, len(pairs))
		}
	}
}

// The same picture gives the same pairs, also a large one, which is searched at a smaller size.
func TestLargePicture(t *testing.T) {
	p, mask := withCopy(texture(520, 400, 9), 1, 0, 1)
	large := picture.Resize(p, 2080, 1600)
	a, b := find(t, large), find(t, large)
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("found %d and %d pairs", len(a), len(b))
	}
	if overlap(a[0].Other, b[0].Other) != 1 {
		t.Error("the same picture gave another mask")
	}
	prob := make([]float32, large.Width*large.Height)
	a[0].Rougher = 0 // in doubt: both are marked
	a[:1].Mark(&picture.Map{Prob: prob, Width: large.Width, Height: large.Height})
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

// The twin that looks stranger to the network, or smoother, gets the higher probability, both where
// that is in doubt. How likely the pair is a copy at all bounds either. Nothing is lowered.
func TestMark(t *testing.T) {
	for name, c := range map[string]struct {
		one, other, rougher, probability float64 // logits, detail
		wantOne, wantOther               float64
	}{
		"other is stranger":           {-4, -2, 0, 1, numeric.Sigmoid(2 * -byStrangeness), strange},
		"one is stranger":             {-2, -4, 0, 1, strange, numeric.Sigmoid(2 * -byStrangeness)},
		"alike, one is smoother":      {-2, -2, -1, 1, strange, numeric.Sigmoid(byRoughness)},
		"alike, one is rougher":       {-2, -2, 1, 1, numeric.Sigmoid(byRoughness), strange},
		"smoothness against strange":  {-2, -1.5, -2, 1, strange, numeric.Sigmoid(2*byRoughness + 0.5*byStrangeness)},
		"in doubt, one a little":      {-2, -2.2, 0, 1, strange, familiar},
		"in doubt, other a little":    {-2.2, -2, 0, 1, familiar, strange},
		"hardly a pair":               {-1, -5, 0, 0.3, 0.3, numeric.Sigmoid(-5)},
		"what is higher stays higher": {6, -5, 0, 1, numeric.Sigmoid(6), numeric.Sigmoid(-5)},
	} {
		pair := Pair{
			One: []bool{true, false, false, true}, Other: []bool{false, false, true, true}, Width: 4, Height: 1,
			Probability: c.probability, Rougher: c.rougher,
		}
		prob := []float32{float32(numeric.Sigmoid(c.one)), 0.2, float32(numeric.Sigmoid(c.other)), 0.99}
		Pairs{pair}.Mark(&picture.Map{Prob: prob, Width: 4, Height: 1})
		for i, want := range []float64{c.wantOne, 0.2, c.wantOther, 0.99} {
			if math.Abs(float64(prob[i])-want) > 1e-6 {
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
	pairs := find(t, p)
	if len(pairs) == 0 {
		t.Fatal("found no copy")
	}
	for _, pair := range pairs {
		if oneIsCopy := overlap(pair.One, mask) > overlap(pair.Other, mask); oneIsCopy != (pair.Rougher < -doubt) {
			t.Errorf("one is the copy: %v, rougher by %g", oneIsCopy, pair.Rougher)
		}
	}
}

// Alignment takes a transform that is off by some pixels to where the plane agrees with itself to a
// fraction of one.
func TestAlign(t *testing.T) {
	want := transform{1.1, -0.2, 60, 0.2, 1.1, 30}
	from := luma(texture(400, 300, 11)).blurred()
	p, back := newPlane(400, 300), want.inverse()
	mask := make([]bool, len(p.pix))
	for i := range p.pix {
		x, y := float64(i%p.w), float64(i/p.w)
		v, _ := from.sample(x, y)
		if math.Hypot(x-220, y-190) < 60 {
			fx, fy := back.apply(x, y)
			v, mask[i] = mustSample(t, from, fx, fy), true
		}
		p.pix[i] = v
	}
	start := want
	start[0], start[2], start[5] = start[0]*1.01, start[2]-4, start[5]+1.5
	got := align(p, start, area{window{0, 0, p.w, p.h}, mask})
	for _, at := range [][2]float64{{80, 100}, {180, 140}, {130, 60}} {
		x, y := got.apply(at[0], at[1])
		wx, wy := want.apply(at[0], at[1])
		if d := math.Hypot(x-wx, y-wy); d > 0.1 {
			t.Errorf("%v is taken to %.2f %.2f, expected %.2f %.2f", at, x, y, wx, wy)
		}
	}
	if got := align(p, start, newArea(window{0, 0, p.w, p.h})); got != start {
		t.Errorf("aligned on nothing, the transform became %v", got)
	}
}

func mustSample(t *testing.T, p plane, x, y float64) float32 {
	v, ok := p.sample(x, y)
	if !ok {
		t.Fatalf("%g %g lies outside", x, y)
	}
	return v
}

// The direction of a keypoint turns with the picture.
func TestOrientation(t *testing.T) {
	p := luma(texture(200, 200, 12)).blurred().blurred()
	worst := 0.0
	for _, angle := range []float64{0.4, 1.7, -2.5} {
		sin, cos := math.Sincos(angle)
		turned := transform{cos, -sin, 100 - 100*cos + 100*sin, sin, cos, 100 - 100*sin - 100*cos}
		d := orientation(warp(p, turned, window{0, 0, p.w, p.h}), 100, 100) - orientation(p, 100, 100) - angle
		worst = max(worst, math.Abs(math.Remainder(d, 2*math.Pi)))
	}
	if worst > mostTurn/2 {
		t.Errorf("the direction is off by %.2f radians, expected less than half of what matches may", worst)
	}
}

// What looks alike but was not copied, such as windows of a house, is not a pair: on the walls
// between and behind the panes nothing is the same.
func TestLookAlikes(t *testing.T) {
	p, pattern := texture(520, 400, 13), texture(90, 90, 14)
	for y := range p.Height {
		for x := range p.Width {
			u, v := x%130, y%130
			for c := range 3 {
				i := 3*(y*p.Width+x) + c
				level := 128 + (float64(p.Pix[i])-128)/3
				if u < 90 && v < 90 {
					level += float64(pattern.Pix[3*(v*90+u)+c]) - 128
				}
				p.Pix[i] = uint8(min(max(level, 0), 255))
			}
		}
	}
	pieces, err := newSearch(luma(p)).pieces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(pieces) == 0 {
		t.Error("nothing looks alike: the picture tests nothing")
	}
	for _, pair := range find(t, p) {
		t.Errorf("look-alikes are taken for copies with probability %.2f", pair.Probability)
	}
}

func TestTransforms(t *testing.T) {
	want := transform{0.9, -0.3, 20, 0.3, 0.9, -5}
	var list []match
	for i := range 12 {
		from := &keypoint{x: float64(10 + 9*i), y: float64(7 * i * i % 90), scale: 1}
		x, y := want.apply(from.x, from.y)
		turned := math.Atan2(want[3], want[0])
		list = append(list, newMatch(from, &keypoint{x: x, y: y, scale: 1, angle: turned}, false),
			newMatch(from, &keypoint{x: y + 300, y: float64(i * 37 % 200), scale: 1}, false))
	}
	got, err := transforms(t.Context(), list, false)
	if err != nil {
		t.Fatal(err)
	}
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
