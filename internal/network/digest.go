package network

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// digests keeps those that were computed, by what tells a file's contents from others without reading them.
var digests sync.Map

// Digest tells the backbone by its weights: a hexadecimal SHA-256 over the sizes and the values of all its tensors, by
// their names in OpenAI's layout. The file's format, other tensors in it and the type that the values are stored in do
// not count. It reads the whole backbone, once in a process as long as the file stays as it is.
func (b *Backbone) Digest() (string, error) {
	key, known := b.contents()
	if known {
		if found, ok := digests.Load(key); ok {
			return found.(string), nil
		}
	}
	builder, err := b.buildPlain(b.Layers()...)
	if err != nil {
		return "", err
	}
	sums := make([][sha256.Size]byte, len(builder.declared))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, d := range builder.declared {
		group.Go(func() error {
			values, err := b.layout.values(d.name, d.shape)
			sums[i] = sumOf(values)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	whole := sha256.New()
	fmt.Fprintf(whole, "%s, %d pixels\n", b.Arch(), b.Side())
	for i, d := range builder.declared {
		fmt.Fprintf(whole, "%s %v %x\n", d.name, d.shape, sums[i])
	}
	digest := hex.EncodeToString(whole.Sum(nil))
	if known {
		digests.Store(key, digest)
	}
	return digest, nil
}

// contents tells what a file holds by its path, length and time; false where the file is none on disk.
func (b *Backbone) contents() (string, bool) {
	path, err := filepath.Abs(b.Path())
	if err != nil {
		return "", false
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("%s\x00%d\x00%d\x00%s", path, info.Size(), info.ModTime().UnixNano(), b.layout.prefix), true
}

// sumOf is the SHA-256 of values as little-endian float32.
func sumOf(values []float32) [sha256.Size]byte {
	hash := sha256.New()
	var part [1 << 14]byte
	for len(values) > 0 {
		n := min(len(values), len(part)/4)
		for i, v := range values[:n] {
			binary.LittleEndian.PutUint32(part[4*i:], math.Float32bits(v))
		}
		hash.Write(part[:4*n])
		values = values[n:]
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
