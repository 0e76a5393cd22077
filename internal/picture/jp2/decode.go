package jp2

import (
	"context"
	_ "embed" // the decoder
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/sandbox"
)

//go:embed jp2.wasm.gz
var code []byte

var module = sandbox.New(code)

// timeLimit bounds the time for a picture: ten times what it takes on one core of 2020.
func timeLimit(h header) time.Duration {
	return 20*time.Second + time.Duration(h.megapixels()*float64(20*time.Second))
}

// limits bounds what the decoder may use. The passes of loops are at least four times what pictures
// take, which is up to 37 million for a megapixel, 19 of them for each byte.
func limits(data []byte, h header) sandbox.Limits {
	return sandbox.Limits{Work: int64(200e6 + 160e6*h.megapixels() + 80*float64(len(data))), Memory: sandbox.MaxMemory}
}

func (h header) megapixels() float64 { return float64(h.width) * float64(h.height) / 1e6 }

var running = make(sandbox.Places, 1)

// Decode decodes a JPEG 2000 file or codestream. Palettes are applied, alpha is dropped, samples of
// other than 8 bits are scaled, and components of fewer samples are repeated. It ends when ctx
// ends. One runs at once; others wait.
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	h, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.checkColours(); err != nil {
		return nil, err
	}
	return sandbox.Within(ctx, running, timeLimit(h), func(ctx context.Context) (*raster.Image, error) {
		run, err := module.Start(ctx, limits(data, h))
		if err != nil {
			return nil, err
		}
		defer run.Close()
		a, err := decode(run, data, h)
		if err != nil {
			return nil, err
		}
		return a.picture(raster.NewWatch(ctx), run, h)
	})
}

// Results of the decoder's function decode (scripts/jp2/decode.c).
const (
	succeeded = 1
	other     = 2 // the codestream has not the size or the number of components that are expected
)

// decode runs the decoder over a file.
func decode(run *sandbox.Run, data []byte, h header) (*answer, error) {
	in, err := run.Put(data)
	if err != nil {
		return nil, err
	}
	raw := uint64(0)
	if h.raw {
		raw = 1
	}
	result, err := run.Call("decode", in, uint64(len(data)), raw, uint64(h.width), uint64(h.height))
	if err != nil {
		return nil, err
	}
	a, err := readAnswer(run)
	if err != nil {
		return nil, err
	}
	switch result {
	case succeeded:
		return a, nil
	case other:
		return nil, fmt.Errorf("the header says %d x %d pixels, the codestream has %d x %d with %d components",
			h.width, h.height, a.width(), a.height(), a.count)
	}
	return nil, explain(a.errors)
}

// explain makes an error of what OpenJPEG says.
func explain(texts []string) error {
	for _, t := range texts {
		switch {
		case strings.Contains(t, "too short"), strings.Contains(t, "inconsistent with stream length"):
			return io.ErrUnexpectedEOF
		case strings.Contains(t, "ot enough memory"), strings.Contains(t, "annot allocate"):
			return sandbox.ErrMemory
		}
	}
	if len(texts) == 0 {
		return errors.New("the decoder cannot read the picture data")
	}
	return fmt.Errorf("the decoder says: %s", texts[0])
}

// maxText is the room for texts in the decoder.
const maxText = 1024

// lines reads a text that ends with a zero, in lines.
func lines(run *sandbox.Run, at uint32) ([]string, error) {
	b, err := run.Bytes(uint64(at), maxText)
	if err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	var all []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all, nil
}
