package browser

import (
	"bytes"
	"context"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// spotter is a model that finds the same spots in every picture: a strong one at the upper left of
// the stored pixels and a weaker one at the lower right. A strength over 1 gives a plateau.
type spotter struct {
	strong, weak float64
	sure         bool          // gives a confidence: the probability, turned round
	taken        atomic.Int32  // number of pictures processed
	hold         chan struct{} // if not nil, each picture waits until it is closed
}

func (s *spotter) Info() localize.Info {
	return localize.Info{Network: "spots", SizeMode: localize.SizeTiles, Device: "cpu"}
}

func (s *spotter) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	s.taken.Add(int32(len(pictures)))
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var list []*localize.Result
	for _, m := range pictures {
		size := m.Bounds().Size()
		r, err := (&localize.Result{
			Width: size.X, Height: size.Y, Model: "spots", Score: 0.9, Format: m.Format, Orientation: m.Orientation,
			Prob: s.spots(size.X, size.Y),
		}).WithThreshold(0.5)
		if err != nil {
			return nil, err
		}
		if s.sure {
			for _, p := range r.Prob {
				r.Confidence = append(r.Confidence, 1-p)
			}
			r.ScoreKind = localize.ScoreNetwork
		}
		list = append(list, r)
	}
	return list, nil
}

// spots gives the probabilities, [height, width].
func (s *spotter) spots(width, height int) []float32 {
	prob := make([]float32, width*height)
	bump := func(x, y, cx, cy, r float64) float64 { return math.Exp(-((x-cx)*(x-cx) + (y-cy)*(y-cy)) / (r * r)) }
	for i := range prob {
		x, y := (float64(i%width)+0.5)/float64(width), (float64(i/width)+0.5)/float64(height)
		prob[i] = float32(min(1, 0.02+s.strong*bump(x, y, 0.25, 0.3, 0.15)+s.weak*bump(x, y, 0.75, 0.7, 0.1)))
	}
	return prob
}

// fraction is the share of a picture over a threshold.
func (s *spotter) fraction(width, height int, threshold float64) float64 {
	return (&picture.Map{Prob: s.spots(width, height), Width: width, Height: height}).Fraction(threshold)
}

// server is a declip server on this machine.
type server struct {
	url  string
	stop func()
	*spotter
}

// testConfig is the default, for servers that stop at once.
func testConfig() serve.Config {
	c := serve.DefaultConfig()
	c.Grace = 0
	return c
}

// configured is testConfig with some changes.
func configured(change func(*serve.Config)) serve.Config {
	c := testConfig()
	change(&c)
	return c
}

// startServer serves two models for tests: "spots", and "one-spot", which finds only the strong
// one.
func startServer(t *testing.T, c serve.Config) *server {
	t.Helper()
	s := &server{spotter: &spotter{strong: 0.95, weak: 0.62}}
	s.url, s.stop = listen(t, c,
		serve.Model{Name: "spots", Description: "two spots, for tests", KnownLimits: []string{"finds the same two spots in every picture"}, Localizer: s.spotter},
		serve.Model{Name: "one-spot", Description: "one spot, for tests", Localizer: &spotter{strong: 0.95}})
	return s
}

// listen serves models until the test ends, or stop is called.
func listen(t *testing.T, c serve.Config, models ...serve.Model) (url string, stop func()) {
	t.Helper()
	c.Version = "v0-test"
	s, err := serve.New(c, models)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(ctx, l); err != nil && !t.Failed() {
			t.Log("the server: ", err) // a browser may keep a connection open
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return "http://" + l.Addr().String() + "/", stop
}

// fill sends pictures, as other clients would, until the server has no room for one more. They wait
// for the model.
func (s *server) fill(t *testing.T, data []byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	full := make(chan struct{}, 100)
	for range cap(full) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"v1/localize?maps=none", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if a, err := http.DefaultClient.Do(r); err == nil {
				a.Body.Close()
				if a.StatusCode == http.StatusTooManyRequests {
					full <- struct{}{}
				}
			}
		}()
		select {
		case <-full:
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
	t.Fatalf("the server accepts %d pictures at once", cap(full))
}

// sample is the bundled forged picture, of 960 x 640 pixels.
var sample = filepath.Join(root, "testdata", "sample", "forged.jpg")

func readSample(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write writes a file for a test to choose, into a directory of its own.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	return writeIn(t, t.TempDir(), name, data)
}

func writeIn(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
