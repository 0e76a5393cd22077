package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// policy is the Content-Security-Policy that the page must live with.
const policy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

// fake is a server that says what a test wants it to: it finds two spots in every picture, whatever that shows.
type fake struct {
	*httptest.Server
	maxBytes, maxPixels int64
	busy                atomic.Int32 // so many more pictures are answered by 429
	taken               atomic.Int32 // pictures that were localized
	hold                chan struct{}
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{maxBytes: 32 << 20, maxPixels: 50e6}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(filepath.Join(root, "internal", "serve", "web"))))
	mux.HandleFunc("GET /v1/models", f.models)
	mux.HandleFunc("POST /v1/localize", f.localize)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) models(w http.ResponseWriter, _ *http.Request) {
	model := func(name string, threshold float64) map[string]any {
		return map[string]any{
			"name": name, "default": name == "spots", "description": "two spots, for tests", "arch": "none", "size_mode": "tiles",
			"threshold": threshold, "known_limits": []string{"finds the same two spots in every picture"},
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"version": "v0-test",
		"models":  []any{model("spots", 0.5), model("spots-strict", 0.7)},
		"limits":  map[string]any{"max_bytes": f.maxBytes, "max_pixels": f.maxPixels, "timeout_ms": 30000, "max_batch_pictures": 16},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func (f *fake) localize(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if f.hold != nil {
		<-f.hold
	}
	if f.busy.Add(-1) >= 0 {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "busy", "the queue is full")
		return
	}
	decoded, err := picture.Decode(body, picture.Limits{})
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, "bad_picture", err.Error())
		return
	}
	f.taken.Add(1)
	threshold := 0.5
	if r.URL.Query().Get("model") == "spots-strict" {
		threshold = 0.7
	}
	writeJSON(w, http.StatusOK, answer(body, decoded, r.URL.Query().Get("model"), threshold))
}

// spots is a map with a strong spot at the upper left and a weaker one at the lower right of the stored pixels.
func spots(width, height int) *picture.Map {
	m := &picture.Map{Prob: make([]float32, width*height), Width: width, Height: height}
	bump := func(x, y, cx, cy, r float64) float64 { return math.Exp(-((x-cx)*(x-cx) + (y-cy)*(y-cy)) / (r * r)) }
	for i := range m.Prob {
		x, y := (float64(i%width)+0.5)/float64(width), (float64(i/width)+0.5)/float64(height)
		m.Prob[i] = float32(0.02 + 0.95*bump(x, y, 0.25, 0.3, 0.15) + 0.62*bump(x, y, 0.75, 0.7, 0.1))
	}
	return m
}

func answer(body []byte, decoded *picture.Decoded, model string, threshold float64) map[string]any {
	m := spots(decoded.RGB.Width, decoded.RGB.Height)
	regions := []map[string]any{}
	for _, r := range picture.Regions(m, threshold, max(1, len(m.Prob)/10000)) {
		regions = append(regions, map[string]any{"box": r.Box, "area": r.Area, "mean": r.Mean, "peak": r.Peak})
	}
	sum := sha256.Sum256(body)
	var prob bytes.Buffer
	if err := png.Encode(&prob, m.ToGray()); err != nil {
		panic(err) // bytes in memory
	}
	return map[string]any{
		"image": "", "width": m.Width, "height": m.Height, "format": decoded.Format, "orientation": decoded.Orientation, "model": model,
		"score": 0.9, "mean_probability": m.Mean(), "manipulated_fraction": m.Fraction(threshold), "threshold": threshold,
		"regions": regions, "elapsed_ms": 1.5, "sha256": hex.EncodeToString(sum[:]),
		"maps": map[string]string{"prob": "data:image/png;base64," + base64.StdEncoding.EncodeToString(prob.Bytes())},
	}
}

// sample is the bundled forged picture.
var sample = filepath.Join(root, "testdata", "sample", "forged.jpg")

// write puts a file for a test to choose into a folder of its own.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
