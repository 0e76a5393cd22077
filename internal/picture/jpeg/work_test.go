package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// manyScans is a grey progressive file of w x h pixels: one scan of DC coefficients, and then scans
// that refine coefficients which are all zero. The file is small: one code ends 32767 blocks.
func manyScans(w, h, scans int) []byte {
	blocks := ceil(w, 8) * ceil(h, 8)
	b := []byte{0xff, markSOI, 0xff, markDQT, 0, 67, 0}
	b = append(b, bytes.Repeat([]byte{1}, 64)...)
	b = append(b, 0xff, markSOF2, 0, 11, 8)
	b = binary.BigEndian.AppendUint16(b, uint16(h))
	b = binary.BigEndian.AppendUint16(b, uint16(w))
	b = append(b, 1, 1, 0x11, 0)
	for _, t := range [][2]byte{{0x00, 0x00}, {0x10, 0xe0}} { // table, and its only symbol: code 0
		b = append(b, 0xff, markDHT, 0, 20, t[0], 1)
		b = append(b, make([]byte, 15)...)
		b = append(b, t[1])
	}
	b = append(b, 0xff, markSOS, 0, 8, 1, 1, 0, 0, 0, 0)
	b = append(b, make([]byte, ceil(blocks, 8))...) // differences of zero
	bands := make([]byte, ceil(15*ceil(blocks, 32767), 8)+1)
	for i := range ceil(blocks, 32767) {
		for k := 1; k < 15; k++ { // code 0, and the 14 bits of the number of blocks
			bit := 15*i + k
			bands[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	bands = bytes.ReplaceAll(bands, []byte{0xff}, []byte{0xff, 0})
	for range scans {
		b = append(b, 0xff, markSOS, 0, 8, 1, 1, 0, 1, 63, 0x10)
		b = append(b, bands...)
	}
	return append(b, 0xff, markEOI)
}

// A small file of 50 megapixels with 199 scans took 10 s to decode. It is refused by the headers of
// its scans.
func TestTooMuchWork(t *testing.T) {
	data := manyScans(8000, 6250, 198)
	start := time.Now()
	_, err := Open(data)
	if !errors.Is(err, ErrWork) {
		t.Errorf("error %v, expected ErrWork", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("refused %d bytes after %v, expected a few milliseconds", len(data), took)
	}
	// As many scans of a small picture are little work.
	if _, err := Decode(manyScans(640, 480, 198)); err != nil {
		t.Errorf("a small picture with 199 scans: %v", err)
	}
}

// The budget holds without the check by headers, too: a sequential file may repeat scans of one
// component, and has none for another.
func TestWorkOfRepeatedScans(t *testing.T) {
	d := &decoder{ctx: t.Context(), picture: Picture{Width: 4000, Height: 4000}, maxH: 1, maxV: 1, components: []component{{id: 1, h: 1, v: 1}, {id: 2, h: 1, v: 1}}}
	scans := 0
	for d.spend(d.scanBlocks([]byte{1, 1, 0})) == nil {
		scans++
	}
	if scans != (freeWork+workPerBlock*2*250_000)/250_000 {
		t.Errorf("%d scans of one of two components of 250000 blocks are allowed", scans)
	}
}

// Scans after the end of the picture are another picture's.
func TestWorkEndsWithThePicture(t *testing.T) {
	data := append(manyScans(8000, 6250, 1), manyScans(8000, 6250, 198)...)
	if _, err := Open(data); err != nil {
		t.Error(err)
	}
}

// countingContext ends at the n-th look at it.
type countingContext struct {
	context.Context
	looks, n int
}

func (c *countingContext) Err() error {
	if c.looks++; c.looks >= c.n {
		return context.Canceled
	}
	return nil
}

func TestDecodeStopsWithItsContext(t *testing.T) {
	data := manyScans(2048, 2048, 30)
	look := func(n int) (*countingContext, error) {
		f, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		ctx := &countingContext{t.Context(), 0, n}
		_, err = f.DecodeContext(ctx)
		return ctx, err
	}
	whole, err := look(1 << 30)
	// The memory, 31 scans, and the transform.
	if want := 1 + 32*(65536/checkBlocks); err != nil || whole.looks != want {
		t.Errorf("%d looks at the context, expected %d; error %v", whole.looks, want, err)
	}
	for n := 1; n < whole.looks; n += 25 {
		if ctx, err := look(n); !errors.Is(err, context.Canceled) || ctx.looks != n {
			t.Fatalf("error %v after %d looks, expected an end at look %d", err, ctx.looks, n)
		}
	}
}

// Each strip of a TIFF file may be a stream of its own. Together they have the work of one file.
func TestPartsShareABudget(t *testing.T) {
	var b Budget
	data := manyScans(4096, 64, 150)
	parts := 0
	for ; parts < 1000; parts++ {
		f, err := OpenPart(data, &b)
		if errors.Is(err, ErrWork) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Decode(); err != nil {
			t.Fatal(err)
		}
	}
	const each = 4096 * (151 - workPerBlock)
	if parts < freeWork/each || parts > freeWork/each+2 {
		t.Errorf("%d parts with %d blocks more than their own are decoded", parts, each)
	}
	var ordinary Budget
	for range 2000 {
		if _, err := OpenPart(manyScans(256, 256, 3), &ordinary); err != nil {
			t.Fatal(err)
		}
	}
}
