package encode

import (
	"bytes"
	"context"
	_ "embed" // the encoders
	"errors"
	"fmt"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/sandbox"
)

//go:embed webp.wasm.gz
var webpCode []byte

//go:embed avif.wasm.gz
var avifCode []byte

var webpModule, avifModule = sandbox.NewEncoder(webpCode), sandbox.NewEncoder(avifCode)

// ErrTooLarge is wrapped by errors about pictures that the format or the memory of an encoder,
// sandbox.MaxMemory, does not allow.
var ErrTooLarge = errors.New("picture too large")

// Longest sides, in pixels.
const (
	MaxWebP = 16383
	MaxAVIF = 65535
)

// checked reports the first thing about a picture that an encoder cannot work with.
func checked(p *picture.RGB, format string, quality, side int) error {
	switch {
	case quality < 0 || quality > 100:
		return fmt.Errorf("%s quality is %d, expected 0 to 100", format, quality)
	case p.Width < 1 || p.Height < 1:
		return fmt.Errorf("%s: a picture of %d x %d pixels", format, p.Width, p.Height)
	case p.Width > side || p.Height > side:
		return fmt.Errorf("%s: %w: %d x %d pixels, a side has at most %d", format, ErrTooLarge, p.Width, p.Height, side)
	}
	return nil
}

// limits bounds what an encoder may use for a picture of the given number of pixels. Pictures take
// 20 to 180 passes of loops a pixel, noise most. A run that needs more has gone wrong: libaom ends
// the encoding of a frame by a jump where it fails, which WebAssembly does not have.
func limits(pixels int) sandbox.Limits {
	return sandbox.Limits{Work: 50e6 + 500*int64(pixels), Memory: sandbox.MaxMemory}
}

// explain puts the format before an encoder's error, and says which picture needed too much.
func explain(p *picture.RGB, format string, err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sandbox.ErrMemory):
		return fmt.Errorf("%s: %w: encoding %d x %d pixels needs more than %d MiB of memory",
			format, ErrTooLarge, p.Width, p.Height, sandbox.MaxMemory>>20)
	case errors.Is(err, sandbox.ErrWork):
		return fmt.Errorf("%s: encoding %d x %d pixels takes more work than a picture of this size should", format, p.Width, p.Height)
	}
	return fmt.Errorf("%s: encoding %d x %d pixels: %w", format, p.Width, p.Height, err)
}

// job is a run of an encoder over one picture.
type job struct {
	*sandbox.Run
	pixels uint64 // where they are
	answer uint64 // room for two numbers of 32 bits
}

// start puts pixels into an encoder.
func start(ctx context.Context, m *sandbox.Module, pixels []byte, use sandbox.Limits) (*job, error) {
	run, err := m.Start(ctx, use)
	if err != nil {
		return nil, err
	}
	j := &job{Run: run}
	if j.pixels, err = run.Put(pixels); err == nil {
		if j.answer, err = run.Put(make([]byte, 8)); err == nil {
			return j, nil
		}
	}
	run.Close()
	return nil, err
}

// file copies the result out of the encoder.
func (j *job) file(at, size uint32) ([]byte, error) {
	b, err := j.Bytes(uint64(at), int(size))
	return bytes.Clone(b), err
}
