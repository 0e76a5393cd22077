package metric

import (
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// The golden values are computed in float64 from the same float32 inputs; only
// the order of sums differs.
const tolerance = 1e-12

type goldenPicture struct {
	Name          string
	Width, Height int
	Prob, Truth   string
	IoU           float64
	IoULow        float64  `json:"iou_0.3"`
	F1Fixed       float64  `json:"f1_fixed"`
	F1Best        *float64 `json:"f1_best"`
	AP            float64
	AUC           *float64
	Flagged       float64
	Score         float64
	FlaggedAt     string `json:"flagged_at"` // 0 or 1 for thresholds 0, 0.01 ... 1
}

type goldenDetection struct {
	Name         string
	Scores       []float64
	Manipulated  []bool
	AP           float64
	AUC          *float64
	Accuracy     float64
	BestAccuracy float64 `json:"best_accuracy"`
}

func golden(t *testing.T) (pictures []goldenPicture, detection []goldenDetection) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Pictures  []goldenPicture
		Detection []goldenDetection
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Pictures) < 20 || len(all.Detection) < 4 {
		t.Fatalf("%d pictures, %d detections in the golden file", len(all.Pictures), len(all.Detection))
	}
	return all.Pictures, all.Detection
}

func (g goldenPicture) decode(t *testing.T) (prob []float32, truth []bool) {
	t.Helper()
	packed, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(g.Prob)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := base64.StdEncoding.DecodeString(g.Truth)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.Width * g.Height {
		prob = append(prob, math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		truth = append(truth, bits[i/8]>>(7-i%8)&1 == 1)
	}
	return prob, truth
}

// orNaN is the value, NaN for null.
func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func check(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(want) && math.IsNaN(got) {
		return
	}
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestGoldenPictures(t *testing.T) {
	pictures, _ := golden(t)
	for _, g := range pictures {
		t.Run(g.Name, func(t *testing.T) {
			prob, truth := g.decode(t)
			r, err := Evaluate(prob, truth, g.Width, g.Height, 0.5)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "IoU", r.IoU, g.IoU)
			check(t, "F1Fixed", r.F1Fixed, g.F1Fixed)
			check(t, "F1Best", r.F1Best, orNaN(g.F1Best))
			check(t, "AP", r.AP, g.AP)
			check(t, "AUC", r.AUC, orNaN(g.AUC))
			check(t, "Flagged", r.Flagged, g.Flagged)
			check(t, "Score", r.Score, g.Score)

			check(t, "IoU alone", IoU(prob, truth, 0.3), g.IoULow)
			fixed, best := F1(prob, truth, g.Width, g.Height)
			check(t, "F1 alone, fixed", fixed, g.F1Fixed)
			check(t, "F1 alone, best", best, orNaN(g.F1Best))
			check(t, "AP alone", AP(prob, truth), g.AP)
			check(t, "AUC alone", AUC(prob, truth), orNaN(g.AUC))
			check(t, "Flagged alone", Flagged(prob, 0.5), g.Flagged)
			check(t, "FlagScore alone", FlagScore(prob), r.FlagScore)
			for i, want := range g.FlaggedAt {
				if got := r.FlagScore > float64(i)/100; got != (want == '1') {
					t.Errorf("flagged at %d %%: %v, want %c", i, got, want)
				}
			}
		})
	}
}

func TestGoldenDetection(t *testing.T) {
	_, detection := golden(t)
	for _, g := range detection {
		var d Detection
		for i, s := range g.Scores {
			d.Add(s, g.Manipulated[i])
		}
		check(t, g.Name+": AP", d.AP(), g.AP)
		check(t, g.Name+": AUC", d.AUC(), orNaN(g.AUC))
		check(t, g.Name+": accuracy", d.Accuracy(0.5), g.Accuracy)
		best, threshold := d.BestAccuracy()
		check(t, g.Name+": best accuracy", best, g.BestAccuracy)
		check(t, g.Name+": accuracy at the best threshold", d.Accuracy(threshold), best)
	}
}

func TestDetectionEdges(t *testing.T) {
	var d Detection
	if d.AP() != 0 || !math.IsNaN(d.AUC()) || !math.IsNaN(d.Accuracy(0.5)) {
		t.Error("no pictures: a score is defined")
	}
	d.Add(math.NaN(), true) // must not disturb the order of the others
	d.Add(0.9, true)
	d.Add(math.Nextafter(0.9, 0), false)
	accuracy, threshold := d.BestAccuracy()
	if accuracy != 2.0/3 || d.Accuracy(threshold) != accuracy {
		t.Errorf("best accuracy %v at %v, which gives %v", accuracy, threshold, d.Accuracy(threshold))
	}
}

func TestEvaluateRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		prob []float32
		w, h int
		want string
	}{
		{[]float32{0, 0, nan, 0}, 2, 2, "(0,1) is not a number"},
		{[]float32{0, 0, 0, 0}, 2, 3, "picture of 2 x 3"},
		{[]float32{0, 0, 0, 0}, -2, -2, "picture of -2 x -2"},
		{[]float32{0, 0, 0}, 2, 2, "3 probabilities and 4 mask pixels"},
		{nil, 0, 0, "picture of 0 x 0"},
	} {
		_, err := Evaluate(c.prob, make([]bool, 4), c.w, c.h, 0.5)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestOutsideUnit: probabilities outside [0,1] count as its ends, negative zero
// as zero.
func TestOutsideUnit(t *testing.T) {
	truth := []bool{true, false, true, false}
	want := []float32{1, 1, 0, 0}
	got := []float32{2, float32(math.Inf(1)), float32(math.Copysign(0, -1)), -3}
	if AP(got, truth) != AP(want, truth) || AUC(got, truth) != AUC(want, truth) {
		t.Errorf("AP %v, AUC %v; want %v, %v", AP(got, truth), AUC(got, truth), AP(want, truth), AUC(want, truth))
	}
}

// TestThreshold: a threshold other than one half moves IoU, F1Fixed and Flagged.
func TestThreshold(t *testing.T) {
	prob, truth := synthetic(64, 48, 1)
	r, err := Evaluate(prob, truth, 64, 48, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "IoU", r.IoU, IoU(prob, truth, 0.2))
	check(t, "Flagged", r.Flagged, Flagged(prob, 0.2))
	shifted := make([]float32, len(prob))
	for i, p := range prob {
		if p > 0.2 {
			shifted[i] = 1
		}
	}
	fixed, _ := F1(shifted, truth, 64, 48)
	check(t, "F1Fixed", r.F1Fixed, fixed)
}

// TestBuffersAreReused: pictures of other sizes in between change nothing.
func TestBuffersAreReused(t *testing.T) {
	prob, truth := synthetic(40, 30, 2)
	want, err := Evaluate(prob, truth, 40, 30, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 7, 100, 33} {
		p, g := synthetic(size, size, 3)
		if _, err := Evaluate(p, g, size, size, 0.5); err != nil {
			t.Fatal(err)
		}
		if got, _ := Evaluate(prob, truth, 40, 30, 0.5); got != want {
			t.Errorf("after %d x %d: %+v, want %+v", size, size, got, want)
		}
	}
}

func TestTruth(t *testing.T) {
	got := Truth([]uint8{0, 127, 128, 255})
	if got[0] || got[1] || !got[2] || !got[3] {
		t.Errorf("Truth = %v", got)
	}
}

// synthetic is a prediction with all values distinct or nearly so, and a mask.
func synthetic(w, h int, seed uint64) ([]float32, []bool) {
	random := rand.New(rand.NewPCG(seed, 0))
	prob, truth := make([]float32, w*h), make([]bool, w*h)
	for i := range prob {
		x, y := float64(i%w)/float64(w)-0.5, float64(i/w)/float64(h)-0.4
		truth[i] = x*x+y*y < 0.05
		prob[i] = float32(0.6*random.Float64() + 0.4*float64(bit(truth[i])))
	}
	return prob, truth
}

// One megapixel, values all distinct: the worst case for the scan.
func BenchmarkEvaluate(b *testing.B) {
	prob, truth := synthetic(1000, 1000, 1)
	for b.Loop() {
		if _, err := Evaluate(prob, truth, 1000, 1000, 0.5); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarkSure(b *testing.B) {
	_, truth := synthetic(1000, 1000, 1)
	sure := make([]bool, len(truth))
	for b.Loop() {
		markSure(sure, truth, 1000, 1000)
	}
}

func BenchmarkAP(b *testing.B) {
	prob, truth := synthetic(1000, 1000, 1)
	for b.Loop() {
		AP(prob, truth)
	}
}

func BenchmarkFlagScore(b *testing.B) {
	prob, _ := synthetic(1000, 1000, 1)
	for b.Loop() {
		FlagScore(prob)
	}
}

// FlagScore counts where Evaluate sorts; both must name the same pixel, with many ties and with
// few, however small the picture.
func TestFlagScoreCountsAsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		n, levels := 1+r.IntN(700), float64(1+r.IntN(40))
		prob := make([]float32, n)
		for i := range prob {
			prob[i] = float32(r.Float64()*1.2 - 0.1) // some are to be clipped
			if levels < 20 {
				prob[i] = float32(math.Round(levels*float64(prob[i])) / levels)
			}
		}
		sorted := slices.Clone(prob)
		slices.Sort(sorted)
		want := min(max(sorted[n-1-allowed(n, FlagShare)], 0), 1)
		if got := FlagScore(prob); got != float64(want) {
			t.Fatalf("%d pixels: %v, want %v", n, got, want)
		}
	}
}
