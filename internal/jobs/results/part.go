package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// encoders are reused, because making one allocates some megabytes.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(fmt.Errorf("zstd: %w", err)) // the options are constants
	}
	return e
}}

// EncodePart gives the bytes of a part and their SHA-256.
func EncodePart(records []schema.Record) (part []byte, digest string, err error) {
	var lines bytes.Buffer
	for i := range records {
		letOthersRun(i)
		line, err := schema.Encode(&records[i])
		if err != nil {
			return nil, "", err
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	part = e.EncodeAll(lines.Bytes(), nil)
	sum := sha256.Sum256(part)
	return part, hex.EncodeToString(sum[:]), nil
}

// letOthersRun lets others run after some records: a goroutine that computes holds its processor
// for 10 ms otherwise, and an answer of the queue in the same process passes through many
// goroutines.
func letOthersRun(record int) {
	if record%32 == 31 { // about 0.2 ms
		runtime.Gosched()
	}
}

// maxPart bounds a part that is read, in bytes before and after decompression: a thousand records
// of many regions each.
const maxPart = 1 << 30

// line is a record with its bytes.
type line struct {
	text   []byte
	record schema.Record
}

// readPart reads a part. The items must be those of its range, in their order.
func readPart(ctx context.Context, from store.Store, job *schema.Job, r schema.Range) ([]line, error) {
	key := job.PartKey(r)
	body, _, err := from.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	packed, err := io.ReadAll(io.LimitReader(body, maxPart))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	lines, err := decodePart(packed, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return lines, nil
}

// decoder is safe for concurrent use.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPart))
})

func decodePart(packed []byte, r schema.Range) ([]line, error) {
	d, err := decoder()
	if err != nil {
		return nil, err
	}
	plain, err := d.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	var lines []line
	for text := range bytes.Lines(plain) {
		letOthersRun(len(lines))
		l := line{text: text}
		if err := schema.Decode(text, &l.record); err != nil {
			return nil, err
		}
		if l.record.Item != r.From+len(lines) {
			return nil, fmt.Errorf("%w: record %d is that of item %d, expected %d", schema.ErrInvalid, len(lines), l.record.Item, r.From+len(lines))
		}
		lines = append(lines, l)
	}
	if len(lines) != r.N {
		return nil, fmt.Errorf("%w: %d records, expected %d", schema.ErrInvalid, len(lines), r.N)
	}
	return lines, nil
}
