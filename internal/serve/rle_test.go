package serve

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

func TestColumnRuns(t *testing.T) {
	for _, c := range []struct {
		pix    []uint8
		counts []int
		text   string
	}{
		{[]uint8{0, 0, 0, 0, 0, 0}, []int{6}, "6"},
		{[]uint8{255, 255, 255, 255, 255, 255}, []int{0, 6}, "06"},
		{[]uint8{0, 255, 0, 0, 255, 255}, []int{2, 2, 1, 1}, "221O"}, // the last is 1-2
	} {
		mask := &picture.Gray{Pix: c.pix, Width: 3, Height: 2}
		got := picture.ColumnRuns(mask)
		if !slices.Equal(got, c.counts) || picture.CompressRuns(got) != c.text {
			t.Errorf("%v: %v %q, expected %v %q", c.pix, got, picture.CompressRuns(got), c.counts, c.text)
		}
	}
}

// expandRuns reverses picture.CompressRuns.
func expandRuns(text string) (counts []int) {
	for at := 0; at < len(text); {
		value, shift := 0, 0
		for more := true; more; at++ {
			group := int(text[at]) - 48
			value |= (group & 0x1f) << shift
			shift += 5
			more = group&0x20 != 0
			if !more && group&0x10 != 0 {
				value |= -1 << shift
			}
		}
		if len(counts) > 2 {
			value += counts[len(counts)-2]
		}
		counts = append(counts, value)
	}
	return counts
}

func TestCompressRunsIsReversible(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		counts := make([]int, r.IntN(40)+1)
		for i := range counts {
			counts[i] = r.IntN(1 << r.IntN(26))
		}
		if got := expandRuns(picture.CompressRuns(counts)); !slices.Equal(got, counts) {
			t.Fatalf("%v is expanded to %v", counts, got)
		}
	}
}

func TestRunLengthsOfTheMask(t *testing.T) {
	s := start(t, testConfig())
	data := picturePNG(t, 64, 32)
	list := decode[resultBody](t, s.post("/v1/localize?mask=rle", data))
	text := decode[resultBody](t, s.post("/v1/localize?mask=rle-string", data))
	accept := decode[resultBody](t, s.post("/v1/localize", data, "Accept", typeRLE))
	var counts []int
	for _, v := range list.Mask.Counts.([]any) {
		counts = append(counts, int(v.(float64)))
	}
	if !slices.Equal(counts, expandRuns(text.Mask.Counts.(string))) || list.Mask.Size != [2]int{32, 64} || accept.Mask == nil || accept.Maps != nil {
		t.Errorf("got %+v, %+v and %+v", list.Mask, text.Mask, accept.Mask)
	}
	inside := 0
	for i := 1; i < len(counts); i += 2 {
		inside += counts[i]
	}
	if inside != list.Regions[0].Area {
		t.Errorf("%d pixels inside, expected %d", inside, list.Regions[0].Area)
	}
}

// A request's threshold changes the mask and the regions, not the map.
func TestThreshold(t *testing.T) {
	var r *localize.Result
	s := start(t, configured(func(c *Config) { c.Threshold = 0.25 }))
	data := picturePNG(t, 64, 32)
	for query, want := range map[string]float64{"": 0.25, "&threshold=0.75": 0.75} {
		a := decode[resultBody](t, s.post("/v1/localize?maps=none"+query, data))
		if a.Threshold != want || a.ManipulatedFraction != 0.0625 {
			t.Errorf("%q: threshold %g, fraction %g", query, a.Threshold, a.ManipulatedFraction)
		}
	}
	r = &localize.Result{Width: 4, Height: 1, Prob: []float32{0.1, 0.4, 0.6, 0.9}, Threshold: 0.5, Score: 0.9}
	low, err := r.WithThreshold(0.3)
	if err != nil || low.ManipulatedFraction != 0.75 || len(low.Regions) != 1 || low.Regions[0].Area != 3 || low.Score != 0.9 || r.Threshold != 0.5 {
		t.Errorf("got %+v, %v", low, err)
	}
	if _, err := r.WithThreshold(1); err == nil {
		t.Error("a threshold of 1 is accepted")
	}
	if a := s.post("/v1/localize?threshold=0.3", data); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
}
