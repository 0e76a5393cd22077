package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// fake is a fast model that marks bright pixels.
type fake struct {
	delay   time.Duration
	started atomic.Int64
	hold    chan struct{} // if not nil, each batch waits until it can receive
	deaf    bool          // does not notice that ctx ends
	panics  bool
	sure    bool // gives a confidence and a score of its own

	mu      sync.Mutex
	batches []int
}

func (f *fake) Info() localize.Info {
	return localize.Info{Network: "fake", SizeMode: localize.SizeTiles, Device: "cpu"}
}

func (f *fake) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	f.started.Add(1)
	f.mu.Lock()
	f.batches = append(f.batches, len(pictures))
	f.mu.Unlock()
	parallel.Point(stageNetwork)
	if f.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if f.panics {
		panic("the model is broken")
	}
	select {
	case <-time.After(f.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var list []*localize.Result
	for _, m := range pictures {
		r := &localize.Result{Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Model: "secret/path", Threshold: 0.5, Format: m.Format, Orientation: m.Orientation}
		for y := range r.Height {
			for x := range r.Width {
				red, _, _, _ := m.At(x, y).RGBA()
				r.Prob = append(r.Prob, float32(red)/0xffff)
			}
		}
		r, err := r.WithThreshold(r.Threshold) // fills in the regions
		if err != nil {
			return nil, err
		}
		if f.sure {
			r.Confidence, r.Score, r.ScoreKind = r.Prob, 0.75, localize.ScoreNetwork
		}
		list = append(list, r)
	}
	return list, nil
}

// picturePNG is a black picture with a white rectangle.
func picturePNG(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, w, h))
	for y := h / 4; y < h/2; y++ {
		for x := w / 4; x < w/2; x++ {
			m.SetGray(x, y, color.Gray{255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// running is a server under test.
type running struct {
	*Server
	t    testing.TB
	url  string
	addr string
	log  *lockedBuffer
	stop func() error // stops the server and gives the error of Serve
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// errorLines are the lines of the log about the server's own failures.
func (l *lockedBuffer) errorLines() (list []string) {
	for line := range strings.SplitSeq(l.String(), "\n") {
		if strings.Contains(line, `"level":"ERROR"`) {
			list = append(list, line)
		}
	}
	return list
}

// forget drops all lines but those about errors, so that a long test can measure memory.
func (l *lockedBuffer) forget() {
	kept := strings.Join(l.errorLines(), "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = bytes.Buffer{}
	l.b.WriteString(kept)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testConfig is DefaultConfig for servers that stop at once and do not wait for larger batches.
func testConfig() Config {
	c := DefaultConfig()
	c.Grace, c.MaxWait = 0, 0
	return c
}

// configured is testConfig with some changes.
func configured(change func(*Config)) Config {
	c := testConfig()
	change(&c)
	return c
}

// start runs a server; the model "fake" is its first unless models are given.
func start(t testing.TB, c Config, models ...Model) *running {
	t.Helper()
	if models == nil {
		models = []Model{{Name: "fake", Description: "marks what is bright", Localizer: &fake{}}}
	}
	r := &running{t: t, log: &lockedBuffer{}}
	c.Log = slog.New(slog.NewJSONHandler(r.log, nil))
	var err error
	if r.Server, err = New(c, models); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	r.url = "http://" + r.addr
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = r.stop() }) // tests that check the error call stop themselves
	return r
}

// reply is a response with its body.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. Headers are given as name, value, name, value.
func (r *running) do(method, path string, body io.Reader, headers ...string) reply {
	r.t.Helper()
	a, err := r.try(context.Background(), method, path, body, headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *running) try(ctx context.Context, method, path string, body io.Reader, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, data}, err
}

func (r *running) post(path string, body []byte, headers ...string) reply {
	r.t.Helper()
	return r.do(http.MethodPost, path, bytes.NewReader(body), headers...)
}

// decode reads a JSON response, which must not have unknown fields.
func decode[T any](t testing.TB, a reply) (v T) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("status %d, %q: %v", a.status, a.body, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("%q: more than one JSON value", a.body)
	}
	return v
}

// refused checks that a response is an error with the given status and code.
func refused(t testing.TB, a reply, status int, code string) {
	t.Helper()
	b := decode[errorBody](t, a)
	if a.status != status || b.Error.Code != code || b.Error.Message == "" {
		t.Errorf("got %d %+v, expected %d %s", a.status, b.Error, status, code)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("an error of type %q", kind)
	}
}
