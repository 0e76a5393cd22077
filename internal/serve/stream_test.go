package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// tiled is a model that reports three of eight tiles and then waits, and may fail.
type tiled struct {
	fake
	err error
}

func (m *tiled) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	report := localize.ReportProgress(ctx)
	for i := range 3 {
		report(i+1, 8)
	}
	results, err := m.fake.LocalizeBatch(ctx, pictures)
	return results, errors.Join(err, m.err)
}

// lines posts a picture with Accept: application/x-ndjson. next gives the response's next line.
func (r *running) lines(data []byte) (response *http.Response, next func() string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/v1/localize?maps=none", bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Accept", "application/x-ndjson, application/json")
	response, err = http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { response.Body.Close() })
	scanner := bufio.NewScanner(response.Body)
	return response, func() string {
		r.t.Helper()
		if !scanner.Scan() {
			r.t.Fatalf("the response ends: %v", scanner.Err())
		}
		return scanner.Text()
	}
}

func TestStreamTellsOfTiles(t *testing.T) {
	m := &tiled{fake: fake{hold: make(chan struct{})}}
	s := start(t, testConfig(), Model{Name: "tiled", Localizer: m})
	response, next := s.lines(picturePNG(t, 40, 30))
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != typeStream || response.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("status %d, headers %v", response.StatusCode, response.Header)
	}
	if got, want := next(), `{"progress":{"state":"working","ahead":0,"done":3,"total":8}}`; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	close(m.hold)
	var result resultBody
	if err := json.Unmarshal([]byte(next()), &result); err != nil || result.Width != 40 || result.SHA256 == "" {
		t.Errorf("the result is %+v, %v", result, err)
	}
}

// A picture that waits hears how many are before it.
func TestStreamTellsOfTheQueue(t *testing.T) {
	m := &fake{hold: make(chan struct{})}
	s := start(t, testConfig(), Model{Name: "held", Localizer: m})
	data := picturePNG(t, 8, 8)
	for range workersPerModel {
		go func() {
			_, _ = s.try(context.Background(), http.MethodPost, "/v1/localize?maps=none", bytes.NewReader(data))
		}()
	}
	for m.started.Load() < workersPerModel {
		time.Sleep(time.Millisecond)
	}
	_, next := s.lines(data)
	if got, want := next(), `{"progress":{"state":"waiting","ahead":0,"done":0,"total":0}}`; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	close(m.hold)
	for {
		line := next()
		if !strings.HasPrefix(line, `{"progress"`) {
			if !strings.Contains(line, `"sha256"`) {
				t.Errorf("the last line is %s", line)
			}
			return
		}
	}
}

// An error after the first line is the last line, and in the log.
func TestStreamEndsWithAnError(t *testing.T) {
	m := &tiled{fake: fake{hold: make(chan struct{})}, err: localize.ErrTooLarge}
	s := start(t, configured(func(c *Config) { c.Grace = 5 * time.Second }), Model{Name: "tiled", Localizer: m})
	_, next := s.lines(picturePNG(t, 8, 8))
	next()
	close(m.hold)
	var last lastError
	if err := json.Unmarshal([]byte(next()), &last); err != nil || last.Status != http.StatusRequestEntityTooLarge || last.Error.Code != codeLarge {
		t.Errorf("the last line is %+v, %v", last, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.log.String(), `"problem":"`+codeLarge+`"`) {
		t.Errorf("the log has no problem: %s", s.log)
	}
}

// A request that fails before the first line has its own status; a batch has no lines.
func TestStreamOfNothing(t *testing.T) {
	s := start(t, testConfig())
	refused(t, s.post("/v1/localize", []byte("no picture"), "Accept", typeStream), http.StatusUnsupportedMediaType, codePicture)
	refused(t, s.post("/v1/batch", []byte("x"), "Accept", typeStream), http.StatusBadRequest, codeRequest)
	refused(t, s.post("/v1/localize?view=mask", picturePNG(t, 8, 8), "Accept", typeStream), http.StatusBadRequest, codeRequest)
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 8, 8), "Accept", typeStream); a.status != http.StatusOK || bytes.Count(a.body, []byte("\n")) != 1 {
		t.Errorf("a quick result: status %d, %q", a.status, a.body)
	}
}
