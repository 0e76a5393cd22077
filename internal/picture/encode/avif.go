package encode

import (
	"context"
	"errors"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/sandbox"
)

// speed is libavif's, 0 to 10. 8 takes a quarter of the time of libavif's usual 6.
const speed = 8

// chroma420 is AVIF_PIXEL_FORMAT_YUV420 (avif.h).
const chroma420 = 3

// AVIF gives the bytes of an AVIF file (AV1, 8 bits) with chroma of half the width and height;
// quality is libavif's, 0 to 100. A picture with a side above MaxAVIF is ErrTooLarge. Encoding ends
// with the error of ctx when ctx ends.
func AVIF(ctx context.Context, p *picture.RGB, quality int) ([]byte, error) {
	if err := checked(p, "avif", quality, MaxAVIF); err != nil {
		return nil, err
	}
	return encodeAVIF(ctx, p, limits(p.Width*p.Height), quality)
}

// encodeAVIF calls the encoder.
func encodeAVIF(ctx context.Context, p *picture.RGB, use sandbox.Limits, quality int) ([]byte, error) {
	file, err := func() ([]byte, error) {
		j, err := start(ctx, avifModule, withAlpha(p), use)
		if err != nil {
			return nil, err
		}
		defer j.Close()
		const alphaQuality = 100 // the encoder leaves out alpha that is opaque everywhere
		at, err := j.Call("encode", j.pixels, uint64(p.Width), uint64(p.Height), j.answer,
			uint64(quality), alphaQuality, speed, chroma420)
		if err != nil {
			return nil, err
		}
		size, err := j.Numbers(j.answer, 1)
		if err != nil {
			return nil, err
		}
		if at == 0 || size[0] == 0 {
			return nil, errors.New("libavif gave no file, which it does where memory or a setting does not suffice")
		}
		return j.file(at, size[0])
	}()
	return file, explain(p, "avif", err)
}

// withAlpha gives pixels of 4 bytes, the last of which is 255.
func withAlpha(p *picture.RGB) []byte {
	b := make([]byte, 4*p.Width*p.Height)
	for i := range p.Width * p.Height {
		copy(b[4*i:4*i+3], p.Pix[3*i:])
		b[4*i+3] = 255
	}
	return b
}
