package serve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
)

// eventually waits until a condition is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("still not true: %s", what)
}

// held is a server whose model waits until f.hold is closed.
func held(t *testing.T, c Config) (*running, *fake, *modelQueue) {
	t.Helper()
	f := &fake{hold: make(chan struct{})}
	s := start(t, c, Model{Name: "fake", Localizer: f})
	return s, f, s.models[0]
}

// inWork is the number of pictures that workers hold while the model waits.
const inWork = workersPerModel

func TestFullQueueRefusesAtOnce(t *testing.T) {
	const places = 2
	s, f, l := held(t, configured(func(c *Config) { c.Queue = places; c.MaxPictures = 2 }))
	data := picturePNG(t, 16, 16)
	answers := make(chan reply, inWork+places)
	for i := range inWork + places {
		go func() {
			a, err := s.try(context.Background(), http.MethodPost, "/v1/localize?maps=none", bytes.NewReader(data))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
		eventually(t, "the picture waits or is in progress", func() bool { return int(s.work.used.Load()/(bytesPerPixel*256))+l.queue.length() == i+1 })
	}
	begin := time.Now()
	a := s.post("/v1/localize", data)
	refused(t, a, http.StatusTooManyRequests, codeBusy)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the refusal took %v", took)
	}
	body, kind := form(t, map[string][]byte{"a": data}, "a", "a")
	refused(t, s.post("/v1/batch", body, "Content-Type", kind), http.StatusTooManyRequests, codeBusy)
	close(f.hold)
	for range inWork + places {
		if a := <-answers; a.status != http.StatusOK {
			t.Errorf("a picture with a place: status %d, %s", a.status, a.body)
		}
	}
}

func TestLeavingClientFreesItsPlace(t *testing.T) {
	s, f, l := held(t, configured(func(c *Config) { c.Queue = 1; c.MaxPictures = 1 }))
	data := picturePNG(t, 16, 16)
	ctx, leave := context.WithCancel(context.Background())
	for range inWork + 1 {
		go func() { _, _ = s.try(ctx, http.MethodPost, "/v1/localize", bytes.NewReader(data)) }()
		time.Sleep(20 * time.Millisecond)
	}
	eventually(t, "the queue is full", func() bool { return l.queue.length() == 1 })
	leave()
	eventually(t, "the queue is empty, and all memory is returned", func() bool {
		return l.queue.length() == 0 && s.in.used.Load() == 0 && s.work.used.Load() == 0
	})
	close(f.hold)
	if a := s.post("/v1/localize?maps=none", data); a.status != http.StatusOK {
		t.Errorf("status %d, %s", a.status, a.body)
	}
}

func TestTimeout(t *testing.T) {
	s, _, l := held(t, configured(func(c *Config) { c.Timeout = 100 * time.Millisecond }))
	a := s.post("/v1/localize", picturePNG(t, 16, 16))
	refused(t, a, http.StatusServiceUnavailable, codeTimeout)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	eventually(t, "the memory is returned", func() bool { return l.queue.length() == 0 && s.work.used.Load() == 0 })
}

func TestPicturesOfSeveralRequestsShareABatch(t *testing.T) {
	f := &fake{hold: make(chan struct{})}
	s := start(t, configured(func(c *Config) { c.MaxBatch = 4; c.MaxWait = 10 * time.Second }), Model{Name: "fake", Localizer: f})
	data := picturePNG(t, 16, 16)
	const pictures = 8
	statuses := make(chan int, pictures)
	for range pictures {
		go func() { statuses <- s.post("/v1/localize?maps=none", data).status }()
	}
	close(f.hold)
	for range pictures {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.batches) != 2 || f.batches[0] != 4 || f.batches[1] != 4 {
		t.Errorf("batches of %v, expected 4 and 4", f.batches)
	}
}

func TestPartialBatchRunsAfterMaxWait(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.MaxBatch = 4; c.MaxWait = 20 * time.Millisecond }))
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
}

func TestBatch(t *testing.T) {
	s := start(t, testConfig())
	body, kind := form(t, map[string][]byte{"a.png": picturePNG(t, 64, 32), "b.txt": []byte("not a picture"), "c.png": picturePNG(t, 32, 64)}, "a.png", "b.txt", "c.png")
	a := s.post("/v1/batch", body, "Content-Type", kind)
	got := decode[batchBody](t, a)
	if a.status != http.StatusOK || len(got.Results) != 3 {
		t.Fatalf("status %d, %d results", a.status, len(got.Results))
	}
	first, bad, last := decode[resultBody](t, reply{body: got.Results[0]}), decode[failedBody](t, reply{body: got.Results[1]}), decode[resultBody](t, reply{body: got.Results[2]})
	if first.Image != "a.png" || first.Width != 64 || last.Image != "c.png" || last.Width != 32 || bad.Image != "b.txt" || bad.Error.Code != codePicture {
		t.Errorf("got %s", a.body)
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	s, f, _ := held(t, configured(func(c *Config) { c.Grace = 10 * time.Second }))
	answers := make(chan reply, 1)
	go func() { answers <- s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)) }()
	eventually(t, "the picture is in progress", func() bool { return f.started.Load() == 1 })
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	eventually(t, "the server is stopping", s.stopping.Load)
	if _, err := net.DialTimeout("tcp", s.addr, time.Second); err == nil {
		eventually(t, "no connection is accepted", func() bool { _, err := net.DialTimeout("tcp", s.addr, time.Second); return err != nil })
	}
	close(f.hold)
	if a := <-answers; a.status != http.StatusOK {
		t.Errorf("a request in progress: status %d, %s", a.status, a.body)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// During the drain delay requests are answered, while /readyz says no.
func TestDrain(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Drain, c.Grace = 700*time.Millisecond, 10*time.Second }))
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	eventually(t, "the server drains", s.draining.Load)
	refused(t, s.do(http.MethodGet, "/readyz", nil), http.StatusServiceUnavailable, codeStopping)
	a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16))
	if a.status != http.StatusOK {
		t.Errorf("a request during the drain delay: status %d, %s", a.status, a.body)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("the server stopped after %v, before the end of the drain delay", took)
	}
}

func TestStopAfterGrace(t *testing.T) {
	s, f, _ := held(t, configured(func(c *Config) { c.Grace = 50 * time.Millisecond }))
	go func() {
		_, _ = s.try(context.Background(), http.MethodPost, "/v1/localize", bytes.NewReader(picturePNG(t, 16, 16)))
	}()
	eventually(t, "the picture is in progress", func() bool { return f.started.Load() == 1 })
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "in progress") {
		t.Errorf("ended with %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	s := start(t, configured(func(c *Config) {
		c.MaxBytes = 1 << 20
		c.MaxPixels = 1 << 16
		c.Memory = 4 << 20
		c.Timeout = 10 * time.Second
		c.patience = 300 * time.Millisecond
	}))
	conns := make([]net.Conn, 16)
	for i := range conns { // each sends a part of a body, together more than the limit
		var err error
		if conns[i], err = net.Dial("tcp", s.addr); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		if _, err := io.WriteString(conns[i], "POST /v1/localize HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = conns[i].Write(make([]byte, 200_000)) // an error is expected: some are refused
	}
	if used := s.in.used.Load(); used > s.in.size {
		t.Errorf("%d bytes are reserved, the limit is %d", used, s.in.size)
	}
	eventually(t, "the stalled clients are disconnected", func() bool { return s.in.used.Load() == 0 })
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("status %d, %s", a.status, a.body)
	}
}

func TestQueueLimitsPixelsOfABatch(t *testing.T) {
	q := newQueue(8)
	jobs := []*job{{bytes: 10}, {bytes: 10}, {bytes: 100}, {bytes: 1}}
	if !q.put(jobs...) || q.put(make([]*job, 5)...) {
		t.Fatal("expected room for 4 jobs, and not for 5 more")
	}
	for _, want := range []int{2, 1, 1} { // 10 and 10; 100 alone, although it exceeds the limit; 1
		if got := q.take(context.Background(), 4, 30, 0); len(got) != want {
			t.Errorf("a batch of %d, expected %d", len(got), want)
		}
	}
	if q.length() != 0 {
		t.Errorf("%d are left", q.length())
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"max bytes":         func(c *Config) { c.MaxBytes = 0 },
		"max pixels":        func(c *Config) { c.MaxPixels = 0 },
		"more pixels":       func(c *Config) { c.MaxPixels = maxPixels + 1 },
		"pictures":          func(c *Config) { c.MaxPictures = 0 },
		"more than a queue": func(c *Config) { c.MaxPictures = c.Queue + 1 },
		"connections":       func(c *Config) { c.MaxConns = 0 },
		"memory":            func(c *Config) { c.Memory = c.LeastMemory() - 1 },
		"timeout":           func(c *Config) { c.Timeout = 0 },
		"grace":             func(c *Config) { c.Grace = -1 },
		"drain delay":       func(c *Config) { c.Drain = -1 },
		"queue":             func(c *Config) { c.Queue = 0 },
		"batch":             func(c *Config) { c.MaxBatch = maxBatch + 1 },
		"wait":              func(c *Config) { c.MaxWait = -1 },
		"origin":            func(c *Config) { c.Origins = []string{"example.org"} },
		"threshold":         func(c *Config) { c.Threshold = 0 },
		"links":             func(c *Config) { c.LinkTTL = 0 },
		"log":               func(c *Config) { c.Log = nil },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v is accepted", name, c)
		}
		if _, err := New(c, []Model{{Name: "a", Localizer: &fake{}}}); err == nil {
			t.Errorf("%s: a server is made", name)
		}
	}
}

func TestNewRefusesModels(t *testing.T) {
	if _, err := New(testConfig(), nil); err == nil {
		t.Error("a server without a model")
	}
	m := Model{Name: "a", Localizer: &fake{}}
	if _, err := New(testConfig(), []Model{m, m}); err == nil {
		t.Error("two models with the same name")
	}
	if _, err := New(testConfig(), []Model{{Localizer: &fake{}}}); err == nil {
		t.Error("a model without a name")
	}
}

// On a CPU, and in models that process tiles, each picture runs alone.
func TestDefaultBatch(t *testing.T) {
	for _, c := range []struct {
		info localize.Info
		want int
	}{
		{localize.Info{Device: "cpu", SizeMode: localize.SizeResize}, 1},
		{localize.Info{Device: "cuda:0", SizeMode: localize.SizeTiles}, 1},
		{localize.Info{Device: "cuda:0", SizeMode: localize.SizeResize}, 8},
	} {
		if got := (Model{Localizer: described{info: c.info}}).batch(); got != c.want {
			t.Errorf("%+v: a batch of %d, expected %d", c.info, got, c.want)
		}
	}
}

type described struct {
	Localizer
	info localize.Info
}

func (d described) Info() localize.Info { return d.info }
