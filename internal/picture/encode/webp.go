package encode

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/sandbox"
)

// effort is libwebp's method for lossy files, 0 to 6. 4 is what its programs use.
const effort = 4

// losslessQuality and losslessEffort only change how small a lossless file is, and how long that
// takes: 0.25 of the time of libwebp's usual 75 and 4, for files that are 10 % larger.
const losslessQuality, losslessEffort = 50, 0

// WebP gives the bytes of a lossy WebP file (VP8, RFC 6386) with chroma of half the width and
// height; quality is libwebp's, 0 to 100. A picture with a side above MaxWebP is ErrTooLarge.
// Encoding ends with the error of ctx when ctx ends.
func WebP(ctx context.Context, p *picture.RGB, quality int) ([]byte, error) {
	if err := checked(p, "webp", quality, MaxWebP); err != nil {
		return nil, err
	}
	return encodeWebP(ctx, p, limits(p.Width*p.Height), quality, effort, 0)
}

// WebPLossless gives the bytes of a WebP file (VP8L) that keeps each pixel. The limits are those of
// WebP.
func WebPLossless(ctx context.Context, p *picture.RGB) ([]byte, error) {
	if err := checked(p, "webp", losslessQuality, MaxWebP); err != nil {
		return nil, err
	}
	return encodeWebP(ctx, p, limits(p.Width*p.Height), losslessQuality, losslessEffort, 1)
}

// encodeWebP calls the encoder; lossless is 0 or 1.
func encodeWebP(ctx context.Context, p *picture.RGB, use sandbox.Limits, quality, method, lossless int) ([]byte, error) {
	file, err := func() ([]byte, error) {
		j, err := start(ctx, webpModule, p.Pix, use)
		if err != nil {
			return nil, err
		}
		defer j.Close()
		code, err := j.Call("encode", j.pixels, uint64(p.Width), uint64(p.Height),
			uint64(quality), uint64(method), uint64(lossless), j.answer)
		if err != nil {
			return nil, err
		}
		if code != 0 {
			return nil, webpError(int32(code))
		}
		result, err := j.Numbers(j.answer, 2)
		if err != nil {
			return nil, err
		}
		return j.file(result[0], result[1])
	}()
	return file, explain(p, "webp", err)
}

// webpError names a number of libwebp's WebPEncodingError (encode.h).
func webpError(code int32) error {
	const outOfMemory, outOfMemoryBits = 1, 2
	texts := map[int32]string{
		-1: "invalid settings", 3: "no pixels", 4: "invalid settings", 5: "invalid width or height",
		6: "more than 512 kB in the first partition of the file", 7: "more than 16 MB in a partition of the file",
		8: "the file could not be written", 9: "more than 4 GB in the file",
	}
	if code == outOfMemory || code == outOfMemoryBits {
		return sandbox.ErrMemory
	}
	if text, known := texts[code]; known {
		return fmt.Errorf("libwebp: %s", text)
	}
	return fmt.Errorf("libwebp: error %d", code)
}
