package jxl

import (
	"context"
	_ "embed" // the decoder
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/sandbox"
)

//go:embed jxl.wasm.gz
var code []byte

var module = sandbox.New(code)

// size is that of the header.
type size struct{ width, height int }

func (s size) megapixels() float64 { return float64(s.width) * float64(s.height) / 1e6 }

// timeLimit bounds the time for a picture: ten times what it takes on one core of 2020.
func timeLimit(s size) time.Duration {
	return 20*time.Second + time.Duration(s.megapixels()*float64(20*time.Second))
}

// limits bounds what the decoder may use. The passes of loops are at least four times what pictures
// take, which is up to 35 million for a megapixel and 160 for a byte.
func limits(data []byte, s size) sandbox.Limits {
	return sandbox.Limits{Work: int64(200e6 + 160e6*s.megapixels() + 640*float64(len(data))), Memory: sandbox.MaxMemory}
}

var running = make(sandbox.Places, 1)

// Decode decodes a JPEG XL file or codestream. Alpha is dropped, and samples of other than 8 bits
// are scaled. Of an animation it takes the first frame. It ends when ctx ends. One runs at once;
// others wait.
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	w, h, err := ReadSize(data)
	if err != nil {
		return nil, err
	}
	s := size{w, h}
	return sandbox.Within(ctx, running, timeLimit(s), func(ctx context.Context) (*raster.Image, error) {
		run, err := module.Start(ctx, limits(data, s))
		if err != nil {
			return nil, err
		}
		defer run.Close()
		return decode(run, data, s)
	})
}

// decode runs the decoder over a file.
func decode(run *sandbox.Run, data []byte, s size) (*raster.Image, error) {
	in, err := run.Put(data)
	if err != nil {
		return nil, err
	}
	if err := step(run, "begin", in, uint64(len(data))); err != nil {
		return nil, err
	}
	a, err := readAnswer(run)
	switch {
	case err != nil:
		return nil, err
	case a.size != s: // before memory for pixels is taken
		return nil, fmt.Errorf("the header says %d x %d pixels, the decoder %d x %d", s.width, s.height, a.width, a.height)
	case a.black:
		return nil, errors.New("colours in CMYK are not read")
	}
	if err := step(run, "finish"); err != nil {
		return nil, err
	}
	if a, err = readAnswer(run); err != nil {
		return nil, err
	}
	pixels, err := run.Bytes(uint64(a.pixels), s.width*s.height*a.channels)
	if err != nil {
		return nil, err
	}
	m := raster.New(s.width, s.height, a.channels)
	copy(m.Pix, pixels)
	if a.animated {
		m.Warn("the picture is animated; the first frame is used")
	}
	return m, nil
}

// Results of the decoder's functions (scripts/jxl/decode.cc).
const (
	succeeded = 1
	endsEarly = 2
	noMemory  = 3
)

// step calls a function of the decoder.
func step(run *sandbox.Run, name string, args ...uint64) error {
	result, err := run.Call(name, args...)
	if err != nil {
		return err
	}
	switch result {
	case succeeded:
		return nil
	case endsEarly:
		return io.ErrUnexpectedEOF
	case noMemory:
		return sandbox.ErrMemory
	}
	return errors.New("the decoder cannot read the picture data")
}

// answer is what the decoder says (struct Answer in scripts/jxl/decode.cc).
type answer struct {
	size
	channels        int // 1 or 3
	animated, black bool
	pixels          uint32
}

func readAnswer(run *sandbox.Run) (answer, error) {
	const fields = 6
	at, err := run.Call("answer")
	if err != nil {
		return answer{}, err
	}
	v, err := run.Numbers(uint64(at), fields)
	if err != nil {
		return answer{}, err
	}
	a := answer{size{int(v[0]), int(v[1])}, int(v[2]), v[3] != 0, v[4] != 0, v[5]}
	if a.channels != 1 && a.channels != 3 {
		return answer{}, fmt.Errorf("%d channels of colour", a.channels)
	}
	return a, nil
}
