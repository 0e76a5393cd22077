package serve

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/parallel"
)

// lite is the embedded model, which runs all detectors.
func lite(t *testing.T) Model {
	t.Helper()
	m, err := localize.Open("lite", localize.Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return Model{Name: "lite", Localizer: m}
}

// noisePNG is a picture with texture everywhere, so that detectors have work.
func noisePNG(t *testing.T, w, h int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 6))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(rng.IntN(256)) | uint8(255*(i%4/3)) // opaque
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A panic in any stage of a real model is a status of 500 for one request.
func TestPanicInAModelFailsOneRequest(t *testing.T) {
	model, data := lite(t), noisePNG(t, 200, 160)
	// "load" comes first: sessions are loaded once.
	for _, stage := range []string{"load", "decode", "detector", "tile", "network", "keypoints", "match", "enlarge", "encode", "write"} {
		t.Run(stage, func(t *testing.T) {
			s := start(t, testConfig(), model)
			s.do(http.MethodGet, routeHealth, nil) // so that connections are not counted below
			before := goroutines()
			injectPanics(t, stage, 1)
			checkFault(t, s, s.post("/v1/localize", data))
			checkRecovered(t, s, before)
		})
	}
}

// When the client leaves, in whichever stage, the worker is soon free for the next picture.
func TestModelStopsWhenTheClientLeaves(t *testing.T) {
	model, data := lite(t), noisePNG(t, 1200, 900)
	s := start(t, testConfig(), model)
	begin := time.Now()
	if a := s.post("/v1/localize?maps=none", data); a.status != http.StatusOK {
		t.Fatalf("status %d, %s", a.status, a.body)
	}
	whole := time.Since(begin)
	before := goroutines()
	for _, stage := range []string{"detector", "tile", "network", "keypoints", "match"} {
		ctx, leave := context.WithCancel(t.Context())
		restore := parallel.Inject(func(at string) {
			if at == stage {
				leave()
			}
		})
		_, err := s.try(ctx, http.MethodPost, "/v1/localize?maps=none", bytes.NewReader(data))
		left := time.Now()
		eventually(t, "the memory is returned", func() bool { return s.work.used.Load() == 0 })
		took := time.Since(left)
		restore()
		leave()
		if err == nil {
			t.Errorf("stage %s was not reached", stage)
		}
		t.Logf("stage %s: %v of %v", stage, took, whole)
		if took > whole/2 {
			t.Errorf("stage %s: the worker is busy for %v after the client has left; a whole picture takes %v", stage, took, whole)
		}
	}
	checkRecovered(t, s, before)
}
