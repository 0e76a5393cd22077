package serve

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// manyScans is a grey progressive JPEG of 8000 x 6250 pixels, with one scan of DC coefficients and
// others that refine coefficients which are all zero. It is a small file that takes long to decode.
func manyScans(scans int) []byte {
	const blocks = 1000 * 782
	b := append([]byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}, bytes.Repeat([]byte{1}, 64)...)
	b = append(b, 0xff, 0xc2, 0, 11, 8, 6250>>8, 6250&0xff, 8000>>8, 8000&0xff, 1, 1, 0x11, 0)
	for _, t := range [][2]byte{{0x00, 0x00}, {0x10, 0xe0}} { // table, and its only symbol: code 0
		b = append(append(b, 0xff, 0xc4, 0, 20, t[0], 1), make([]byte, 15)...)
		b = append(b, t[1])
	}
	b = append(append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0), make([]byte, blocks/8+1)...)
	var bands []byte
	for i := range (blocks/32767 + 1) * 15 { // each time code 0 and 14 bits of one: 32767 blocks
		if i%8 == 0 {
			bands = append(bands, 0)
		}
		if i%15 > 0 {
			bands[i/8] |= 0x80 >> (i % 8)
		}
	}
	bands = bytes.ReplaceAll(bands, []byte{0xff}, []byte{0xff, 0})
	for range scans {
		b = append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0x10)
		b = append(b, bands...)
	}
	return append(b, 0xff, 0xd9)
}

// A picture that would take much longer to decode than its size suggests is refused by its header.
func TestTooMuchWork(t *testing.T) {
	s := start(t, testConfig())
	a := s.post("/v1/localize", manyScans(198))
	refused(t, a, http.StatusUnprocessableEntity, codePicture)
	if !strings.Contains(string(a.body), "too much work to decode") {
		t.Errorf("the message is %s", a.body)
	}
}

// Clients that leave while their pictures are decoded free the workers.
func TestLeavingWhileDecoding(t *testing.T) {
	s := start(t, testConfig())
	slow := manyScans(40)
	began := time.Now()
	for range 8 * workersPerModel {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := s.try(ctx, http.MethodPost, "/v1/localize", bytes.NewReader(slow)); err == nil {
			t.Error("the picture was decoded within 100 ms: the test needs a slower one")
		}
		cancel()
	}
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	// Decoded to the end, the pictures would keep the workers busy for many times as long.
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the next client waited for %v", took)
	}
	eventually(t, "all memory is returned", func() bool { return s.work.used.Load() == 0 })
}

// The server stops within a second after its grace, even if a model does not notice that it should.
func TestGraceIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		model   *fake
		picture []byte
		deaf    bool
	}{
		"decoding": {&fake{}, manyScans(40), false},
		"network":  {&fake{hold: make(chan struct{}), deaf: true}, picturePNG(t, 16, 16), true},
	} {
		t.Run(name, func(t *testing.T) {
			const grace = 200 * time.Millisecond
			s := start(t, configured(func(c *Config) { c.Grace = grace }), Model{Name: "fake", Localizer: c.model})
			go func() {
				_, _ = s.try(context.Background(), http.MethodPost, "/v1/localize", bytes.NewReader(c.picture))
			}()
			eventually(t, "the picture is in progress", func() bool { return s.work.used.Load() > 0 })
			began := time.Now()
			err := s.stop()
			if took := time.Since(began); took > grace+time.Second {
				t.Errorf("stopped after %v, expected a grace of %v and at most a second", took, grace)
			}
			if err == nil || c.deaf && !errors.Is(err, ErrWorking) {
				t.Errorf("error %v, expected one that says what was not finished", err)
			}
			if c.deaf {
				close(c.model.hold)
			}
		})
	}
}
