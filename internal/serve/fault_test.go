package serve

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// injectPanics makes the first n calls of a stage panic.
func injectPanics(t *testing.T, stage string, n int64) {
	t.Helper()
	var calls atomic.Int64
	t.Cleanup(parallel.Inject(func(s string) {
		if s == stage && calls.Add(1) <= n {
			panic("injected into " + stage)
		}
	}))
}

// goroutines is the number of goroutines once it stays the same.
func goroutines() int {
	http.DefaultClient.CloseIdleConnections()
	last, same := -1, 0
	for range 200 {
		n := runtime.NumGoroutine()
		if n == last {
			same++
		} else {
			last, same = n, 0
		}
		if same == 10 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return last
}

// checkFault checks that a request failed with one panic, of which the client learns nothing and
// the log everything.
func checkFault(t *testing.T, s *running, a reply) {
	t.Helper()
	refused(t, a, http.StatusInternalServerError, codeInternal)
	if strings.Contains(string(a.body), "injected") {
		t.Errorf("the client is told of the panic: %s", a.body)
	}
	lines := s.log.errorLines()
	if len(lines) != 1 || !strings.Contains(lines[0], "injected into") || !strings.Contains(lines[0], "injectPanics") ||
		!strings.Contains(lines[0], a.header.Get(headerRequestID)) {
		t.Errorf("the log lacks the panic, its stack, or the request's ID: %q", lines)
	}
	if text := string(s.do(http.MethodGet, routeMetrics, nil).body); !strings.Contains(text, "\ndeclip_panics_total 1\n") {
		t.Error("the panic is not counted")
	}
}

// checkRecovered checks that a server has all of its memory and goroutines after a fault, and that
// it answers.
func checkRecovered(t *testing.T, s *running, before int) {
	t.Helper()
	if a := s.post("/v1/localize", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("the next request: status %d, %s", a.status, a.body)
	}
	eventually(t, "all memory is returned", func() bool {
		return s.in.used.Load() == 0 && s.work.used.Load() == 0 && s.out.used.Load() == 0
	})
	if after := goroutines(); after > before {
		t.Errorf("%d goroutines, %d before\n%s", after, before, stacks())
	}
}

func TestPanicFailsOneRequest(t *testing.T) {
	for _, stage := range []string{stageDecode, stageNetwork, stageEncode, stageWrite} {
		t.Run(stage, func(t *testing.T) {
			s := start(t, testConfig())
			data := picturePNG(t, 16, 16)
			s.post("/v1/localize", data) // so that connections are not counted below
			before := goroutines()
			injectPanics(t, stage, 1)
			checkFault(t, s, s.post("/v1/localize", data))
			checkRecovered(t, s, before)
		})
	}
}

// net/http dials in a goroutine of its own.
func TestPanicWhileFetching(t *testing.T) {
	data := picturePNG(t, 16, 16)
	s, source := fetching(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	before := goroutines()
	injectPanics(t, stageFetch, 1)
	target := "/v1/localize?maps=none&url=" + url.QueryEscape(source)
	checkFault(t, s, s.post(target, nil))
	if a := s.post(target, nil); a.status != http.StatusOK {
		t.Errorf("the next fetch: status %d, %s", a.status, a.body)
	}
	checkRecovered(t, s, before)
}

// In a batch of one request, only the picture at fault fails.
func TestPanicFailsOnePictureOfABatch(t *testing.T) {
	body, kind := form(t, map[string][]byte{"a": picturePNG(t, 32, 16), "b": picturePNG(t, 16, 16), "c": picturePNG(t, 16, 32)}, "a", "b", "c")
	for _, stage := range []string{stageDecode, stageNetwork, stageEncode, stageWrite} {
		t.Run(stage, func(t *testing.T) {
			s := start(t, testConfig())
			before := goroutines()
			injectPanics(t, stage, 1)
			a := s.post("/v1/batch?maps=prob", body, "Content-Type", kind)
			got := decode[struct{ Results []map[string]any }](t, a)
			failed := 0
			for _, r := range got.Results {
				if e, ok := r["error"].(map[string]any); ok && e["code"] == codeInternal {
					failed++
				}
			}
			if a.status != http.StatusOK || len(got.Results) != 3 || failed != 1 {
				t.Errorf("status %d, %d of %d pictures failed, expected 1 of 3: %s", a.status, failed, len(got.Results), a.body)
			}
			if lines := s.log.errorLines(); len(lines) != 1 || !strings.Contains(lines[0], "injected into") {
				t.Errorf("the log has %q", lines)
			}
			checkRecovered(t, s, before)
		})
	}
}

// picky panics or fails if one of the pictures has a certain width.
type picky struct {
	fake
	panics, fails int
}

func (p *picky) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	for _, m := range pictures {
		switch m.Width {
		case p.panics:
			panic("injected into the model")
		case p.fails:
			return nil, errors.New("injected into the model")
		}
	}
	return p.fake.LocalizeBatch(ctx, pictures)
}

// Pictures of several requests run through the model together: the request at fault fails alone.
func TestFaultInASharedBatch(t *testing.T) {
	for name, model := range map[string]*picky{"panic": {panics: 8}, "error": {fails: 8}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, configured(func(c *Config) { c.MaxBatch, c.MaxWait = 4, 10*time.Second }), Model{Name: "m", Localizer: model})
			before := goroutines()
			answers := map[int]chan reply{}
			for _, width := range []int{8, 16, 24, 32} {
				answer := make(chan reply, 1)
				answers[width] = answer
				data := picturePNG(t, width, 16)
				go func() {
					a, err := s.try(context.Background(), http.MethodPost, "/v1/localize?maps=none", bytes.NewReader(data))
					if err != nil {
						t.Error(err)
					}
					answer <- a
				}()
			}
			for width, answer := range answers {
				want := http.StatusOK
				if width == 8 {
					want = http.StatusInternalServerError
				}
				if a := <-answer; a.status != want {
					t.Errorf("width %d: status %d, expected %d: %s", width, a.status, want, a.body)
				}
			}
			if lines := s.log.errorLines(); len(lines) != 1 || !strings.Contains(lines[0], "injected") {
				t.Errorf("the log has %q", lines)
			}
			if after := goroutines(); after > before {
				t.Errorf("%d goroutines, %d before\n%s", after, before, stacks())
			}
		})
	}
}

// The panic of a job whose client has left is logged, although no request reports it.
func TestPanicAfterTheClientHasLeft(t *testing.T) {
	f := &fake{hold: make(chan struct{}), deaf: true, panics: true}
	s := start(t, testConfig(), Model{Name: "fake", Localizer: f})
	ctx, leave := context.WithCancel(context.Background())
	go func() {
		_, _ = s.try(ctx, http.MethodPost, "/v1/localize", bytes.NewReader(picturePNG(t, 16, 16)))
	}()
	eventually(t, "the model has the picture", func() bool { return f.started.Load() == 1 })
	leave()
	eventually(t, "the request has ended", func() bool { return strings.Contains(s.log.String(), codeLeft) })
	if s.work.used.Load() == 0 {
		t.Error("the memory is returned while the model works on the picture")
	}
	close(f.hold)
	eventually(t, "the panic is logged", func() bool { return len(s.log.errorLines()) == 1 })
	eventually(t, "the memory is returned", func() bool { return s.work.used.Load() == 0 })
}

// More panics than there are workers leave all workers alive.
func TestWorkersSurvivePanics(t *testing.T) {
	s := start(t, testConfig(), Model{Name: "fake", Localizer: &fake{panics: true}})
	for range 3 * workersPerModel {
		refused(t, s.post("/v1/localize", picturePNG(t, 16, 16)), http.StatusInternalServerError, codeInternal)
	}
	if a := s.do(http.MethodGet, "/healthz", nil); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
}

// A panic outside of all jobs does not end the worker either.
func TestWorkerSurvivesAPanicInItsLoop(t *testing.T) {
	s := start(t, testConfig())
	q := s.models[0].queue
	q.mu.Lock()
	q.waiting = append(q.waiting, nil) // taking it panics
	close(q.changed)
	q.changed = make(chan struct{})
	q.mu.Unlock()
	eventually(t, "the panic is logged", func() bool { return len(s.log.errorLines()) > 0 })
	q.mu.Lock()
	q.waiting = nil
	q.mu.Unlock()
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("status %d, %s", a.status, a.body)
	}
}

func TestPanicInARoute(t *testing.T) {
	s := start(t, testConfig())
	serve := func(h http.HandlerFunc) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.middleware(h).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w
	}
	w := serve(func(http.ResponseWriter, *http.Request) { panic("broken") })
	refused(t, reply{w.Code, w.Header(), w.Body.Bytes()}, http.StatusInternalServerError, codeInternal)

	// A response that has begun cannot become an error: its connection must be cut.
	err := parallel.Catch(func() error {
		serve(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("a part"))
			panic("broken")
		})
		return nil
	})
	if !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("got %v, expected http.ErrAbortHandler", err)
	}
	if n := len(s.log.errorLines()); n != 2 {
		t.Errorf("%d panics are logged, expected 2", n)
	}
}
