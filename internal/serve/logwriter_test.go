package serve

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// With a reader of the log that is stuck, requests are answered, the lost lines are counted, and
// the server stops.
func TestStuckLog(t *testing.T) {
	reader, stuck := io.Pipe() // a write waits until somebody reads
	w := NewLogWriter(stuck)
	s := start(t, configured(func(c *Config) { c.Dropped = w.Dropped }))
	s.config.Log = slog.New(slog.NewTextHandler(w, nil))
	for range logLines + 200 {
		s.config.Log.Info("filling the queue")
	}
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
	if w.Dropped() < 199 {
		t.Errorf("%d lines dropped, expected about 200", w.Dropped())
	}
	if text := string(s.do(http.MethodGet, routeMetrics, nil).body); !strings.Contains(text, "\ndeclip_log_dropped_total ") {
		t.Error("/metrics does not have the dropped lines")
	}
	began := time.Now()
	_ = w.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close waited for %v", took)
	}
	reader.Close()
}

// Lines are bounded by their size as well.
func TestLogOfLongLines(t *testing.T) {
	reader, stuck := io.Pipe()
	defer reader.Close()
	w := NewLogWriter(stuck)
	line := bytes.Repeat([]byte("x"), 1<<20)
	for range 20 {
		_, _ = w.Write(line)
	}
	if n := w.Dropped(); n < 15 {
		t.Errorf("%d of 20 MB dropped, expected 15 or 16", n)
	}
}

// failing fails for a while.
type failing struct {
	lockedBuffer
	left int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left >= 0 {
		return 0, errors.New("no space left on device")
	}
	return f.lockedBuffer.Write(p)
}

// Lines that cannot be written are counted; those after them are written, in order, before Close
// returns.
func TestLogAfterAFailure(t *testing.T) {
	f := &failing{left: 2}
	w := NewLogWriter(f)
	for _, line := range []string{"a\n", "b\n", "c\n", "d\n"} {
		_, _ = w.Write([]byte(line))
	}
	_ = w.Close()
	if got := f.String(); got != "c\nd\n" || w.Dropped() != 2 {
		t.Errorf("written %q, %d dropped, expected c, d, and 2", got, w.Dropped())
	}
}
