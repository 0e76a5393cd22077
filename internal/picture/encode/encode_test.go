package encode

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/sandbox"
)

// scene draws soft waves of colour, a sharp rectangle and noise of the luma. It uses integers only,
// so that every machine draws the same.
func scene(w, h, noise int) *picture.RGB {
	r := rand.New(rand.NewPCG(7, uint64(w*h)))
	wave := func(v int) int { // a triangle, 0 to 127
		v &= 255
		return min(v, 255-v)
	}
	p := picture.NewRGB(w, h)
	for y := range h {
		for x := range w {
			px, grain := p.Pix[3*(y*w+x):], 0
			if noise > 0 {
				grain = r.IntN(noise) - noise/2
			}
			for c := range 3 {
				v := 40 + wave(2*x+y+10*c) + wave(3*y-20*c)/2
				if x > w/3 && x < w/2 && y > h/4 && y < h/2 {
					v = 220 - 90*c
				}
				px[c] = uint8(min(max(v+grain, 0), 255))
			}
		}
	}
	return p
}

// psnr is the peak signal-to-noise ratio of two pictures of the same size, in dB.
func psnr(a, b *picture.RGB) float64 {
	sum := 0.0
	for i, v := range a.Pix {
		d := float64(v) - float64(b.Pix[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix))/sum)
}

// decoded reads a file with the project's own decoder and checks its format and size.
func decoded(t *testing.T, file []byte, format string, of *picture.RGB) *picture.RGB {
	t.Helper()
	p, err := picture.Decode(file, picture.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if p.Format != format || p.Width != of.Width || p.Height != of.Height || len(p.Warnings) > 0 {
		t.Fatalf("%s of %d x %d pixels, warnings %q; expected %s of %d x %d",
			p.Format, p.Width, p.Height, p.Warnings, format, of.Width, of.Height)
	}
	return p.RGB
}

type encoder func(context.Context, *picture.RGB, int) ([]byte, error)

// lossy lists the encoders with the PSNR that each quality has at least and at most, in dB.
var lossy = []struct {
	format string
	encode encoder
	psnr   map[int][2]float64
}{
	{"webp", WebP, map[int][2]float64{0: {29, 32}, 30: {33, 34.5}, 60: {33.5, 35}, 90: {36.5, 38.5}, 100: {38, 41}}},
	{"avif", AVIF, map[int][2]float64{0: {24, 26}, 30: {31, 33}, 60: {33.5, 35}, 90: {36.5, 38.5}, 100: {37.5, 40}}},
}

func TestQuality(t *testing.T) {
	p := scene(250, 187, 12)
	for _, c := range lossy {
		size, dB := 0, 0.0
		for _, quality := range []int{0, 30, 60, 90, 100} {
			file, err := c.encode(t.Context(), p, quality)
			if err != nil {
				t.Fatal(err)
			}
			got := psnr(p, decoded(t, file, c.format, p))
			if want := c.psnr[quality]; got < want[0] || got > want[1] {
				t.Errorf("%s of quality %d: %.2f dB, expected %v", c.format, quality, got, want)
			}
			if len(file) <= size || got <= dB {
				t.Errorf("%s of quality %d: %d bytes, %.2f dB; a lower quality has %d, %.2f", c.format, quality, len(file), got, size, dB)
			}
			size, dB = len(file), got
		}
	}
}

func TestLosslessKeepsPixels(t *testing.T) {
	for _, size := range [][2]int{{120, 90}, {1, 1}, {17, 3}} {
		p := scene(size[0], size[1], 30)
		file, err := WebPLossless(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(decoded(t, file, "webp", p).Pix, p.Pix) {
			t.Errorf("%v: other pixels than those that were encoded", size)
		}
	}
}

// Sides that chroma blocks and macroblocks do not divide.
func TestSmallSizes(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 1}, {1, 50}, {33, 17}, {64, 64}} {
		p := scene(size[0], size[1], 0)
		for _, c := range lossy {
			file, err := c.encode(t.Context(), p, 90)
			if err != nil {
				t.Fatalf("%v: %v", size, err)
			}
			if got := psnr(p, decoded(t, file, c.format, p)); got < 24 {
				t.Errorf("%s, %v: %.1f dB", c.format, size, got)
			}
		}
	}
}

// The bytes are those of every other machine and of runs at the same time.
func TestSameBytes(t *testing.T) {
	p := scene(150, 110, 10)
	for _, c := range []struct {
		name   string
		encode func() ([]byte, error)
		want   string
	}{
		{"webp", func() ([]byte, error) { return WebP(t.Context(), p, 80) }, "cac0e669f065a164"},
		{"webp lossless", func() ([]byte, error) { return WebPLossless(t.Context(), p) }, "5e4c75b571ce9f78"},
		{"avif", func() ([]byte, error) { return AVIF(t.Context(), p, 60) }, "c609f7eda6b774fd"},
	} {
		err := parallel.For(t.Context(), 3, 3, func(context.Context, int) error {
			file, err := c.encode()
			if sum := sha256.Sum256(file); hex.EncodeToString(sum[:8]) != c.want {
				t.Errorf("%s: SHA-256 %x, expected %s", c.name, sum[:8], c.want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestRefused(t *testing.T) {
	p := scene(8, 8, 0)
	wide := &picture.RGB{Width: MaxWebP + 1, Height: 1, Pix: make([]uint8, 3*(MaxWebP+1))}
	wider := &picture.RGB{Width: MaxAVIF + 1, Height: 1, Pix: make([]uint8, 3*(MaxAVIF+1))}
	for _, c := range []struct {
		encode  encoder
		p       *picture.RGB
		quality int
		want    string
		large   bool
	}{
		{WebP, p, 101, "webp quality is 101, expected 0 to 100", false},
		{WebP, p, -1, "webp quality is -1, expected 0 to 100", false},
		{AVIF, p, 101, "avif quality is 101, expected 0 to 100", false},
		{WebP, picture.NewRGB(0, 4), 50, "webp: a picture of 0 x 4 pixels", false},
		{WebP, wide, 50, "webp: picture too large: 16384 x 1 pixels, a side has at most 16383", true},
		{AVIF, wider, 50, "avif: picture too large: 65536 x 1 pixels, a side has at most 65535", true},
	} {
		file, err := c.encode(t.Context(), c.p, c.quality)
		if err == nil || err.Error() != c.want || file != nil || errors.Is(err, ErrTooLarge) != c.large {
			t.Errorf("%d bytes, %v; expected %q", len(file), err, c.want)
		}
	}
	if _, err := WebPLossless(t.Context(), wide); !errors.Is(err, ErrTooLarge) {
		t.Errorf("lossless: %v, expected %v", err, ErrTooLarge)
	}
}

// runs are all encoders with limits of the test's choice.
var runs = map[string]func(context.Context, *picture.RGB, sandbox.Limits) ([]byte, error){
	"webp": func(ctx context.Context, p *picture.RGB, use sandbox.Limits) ([]byte, error) {
		return encodeWebP(ctx, p, use, 100, effort, 0)
	},
	"webp lossless": func(ctx context.Context, p *picture.RGB, use sandbox.Limits) ([]byte, error) {
		return encodeWebP(ctx, p, use, losslessQuality, losslessEffort, 1)
	},
	"avif": func(ctx context.Context, p *picture.RGB, use sandbox.Limits) ([]byte, error) {
		return encodeAVIF(ctx, p, use, 100)
	},
}

// A picture of noise, which takes most work, has twice what it needs. Where the work or the memory
// ends, the error says so.
func TestLimits(t *testing.T) {
	p := scene(320, 240, 255)
	format := map[string]string{"webp": "webp", "webp lossless": "webp", "avif": "avif"}
	// Little more than the encoders take before the picture.
	least := map[string]uint64{"webp": 3 << 19, "webp lossless": 3 << 19, "avif": 3 << 20}
	for name, run := range runs {
		use := limits(p.Width * p.Height)
		use.Work = (use.Work - 50e6) / 2
		if _, err := run(t.Context(), p, use); err != nil {
			t.Errorf("%s: %v with half of its work", name, err)
		}
		use.Work = 1e6
		_, err := run(t.Context(), p, use)
		if want := format[name] + ": encoding 320 x 240 pixels takes more work than a picture of this size should"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, expected %q", name, err, want)
		}
		use = sandbox.Limits{Work: 1 << 40, Memory: least[name]}
		_, err = run(t.Context(), p, use)
		if err == nil || !strings.HasPrefix(err.Error(), format[name]+": ") || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: %v, expected that memory does not suffice", name, err)
		}
	}
}

func TestContextEnds(t *testing.T) {
	p := scene(700, 600, 200)
	for name, run := range runs {
		if _, err := run(t.Context(), scene(8, 8, 0), limits(64)); err != nil { // compiles the encoder
			t.Fatal(err)
		}
		for _, after := range []time.Duration{0, 10 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			begin := time.Now()
			_, err := run(ctx, p, limits(p.Width*p.Height))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, expected that time is up after %s", name, err, after)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s ended %s after its beginning, with time for %s", name, took, after)
			}
		}
	}
}

func TestErrorsOfLibWebP(t *testing.T) {
	for code, want := range map[int32]string{5: "libwebp: invalid width or height", 77: "libwebp: error 77", -1: "libwebp: invalid settings"} {
		if err := webpError(code); err.Error() != want {
			t.Errorf("%d is %q, expected %q", code, err, want)
		}
	}
	if err := webpError(2); !errors.Is(err, sandbox.ErrMemory) {
		t.Errorf("2 is %q, expected %q", err, sandbox.ErrMemory)
	}
}

// The embedded code is what the documentation says.
func TestDigests(t *testing.T) {
	for want, code := range map[string][]byte{
		"be3433e3832286a76d454330f30ec3c9fcc8017cb6deabe1f4089139f9365eca": webpCode,
		"af09b7698dc6034049cb8cd09378f5fd8f34de6079443bfb0240c208b1f3b670": avifCode,
	} {
		if sum := sha256.Sum256(code); hex.EncodeToString(sum[:]) != want {
			t.Errorf("SHA-256 %x, expected %s", sum, want)
		}
	}
}
