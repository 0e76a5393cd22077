package network

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/weights"
)

// digests holds the digests computed so far, by the key of Backbone.fileKey.
var digests sync.Map

// Digest identifies the backbone by its weights: a hexadecimal SHA-256 over the sizes and the
// values of all its tensors, by their names in OpenAI's layout. The file's format, its other
// tensors and the stored type do not count. It reads the whole backbone, but only once as long as
// the file does not change: digests of large files are stored in the user's cache directory.
func (b *Backbone) Digest() (string, error) {
	key, known := b.fileKey()
	if known {
		if found, ok := digests.Load(key); ok {
			return found.(string), nil
		}
		if digest := b.storedDigest(key); digest != "" {
			digests.Store(key, digest)
			return digest, nil
		}
	}
	builder, err := b.buildPlain(b.allLayers()...)
	if err != nil {
		return "", err
	}
	sums := make([][sha256.Size]byte, len(builder.declared))
	var group parallel.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, d := range builder.declared {
		group.Go(func() error {
			values, err := d.part.values(d.name, d.shape)
			sums[i] = weights.Sum(values)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	whole := sha256.New()
	fmt.Fprintln(whole, b.Traits())
	for i, d := range builder.declared {
		fmt.Fprintf(whole, "%s %v %x\n", d.name, d.shape, sums[i])
	}
	digest := hex.EncodeToString(whole.Sum(nil))
	if known {
		digests.Store(key, digest)
		b.storeDigest(key, digest)
	}
	return digest, nil
}

// Traits are what the features depend on besides the tensors, as a text.
func (b *Backbone) Traits() string {
	d, ok := b.tower.(dino)
	if !ok {
		return fmt.Sprintf("%s, %d pixels", b.Arch(), b.Side())
	}
	text := fmt.Sprintf("%s, satellite %t, periods %v", b.Arch(), d.satellite, d.periods)
	if a := b.layout.adapters; a != nil {
		text += fmt.Sprintf(", adapters of alpha %g, over the root %t", a.alpha, a.root)
	}
	return text
}

// minStoredSize is the size in bytes from which a file's digest is stored.
const minStoredSize = 64 << 20

// digestPath is the file in the user's cache directory with the digest of the given key; empty if
// the digest is not stored.
func (b *Backbone) digestPath(key string) string {
	if b.layout.file.Size() < minStoredSize {
		return ""
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "declip", "digests", fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
}

// storedDigest reads a stored digest; empty if there is none.
func (b *Backbone) storedDigest(key string) string {
	text, err := os.ReadFile(b.digestPath(key))
	if raw, bad := hex.DecodeString(string(text)); err != nil || bad != nil || len(raw) != sha256.Size {
		return ""
	}
	return string(text)
}

// storeDigest stores a digest. If that fails, the digest is computed again next time.
func (b *Backbone) storeDigest(key, digest string) {
	path := b.digestPath(key)
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return
	}
	_ = files.WriteBytes(path, []byte(digest))
}

// fileKey identifies what the backbone's files hold by their paths, lengths and times, and what was
// read of files that state settings; false if they are not files on disk.
func (b *Backbone) fileKey() (string, bool) {
	key := ""
	names := b.layout.file.Files()
	if l := b.adapterLayout(); l != &b.layout {
		names = append(slices.Clone(names), l.file.Files()...)
	}
	for _, name := range names {
		path, err := filepath.Abs(name)
		if err != nil {
			return "", false
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", false
		}
		key += fmt.Sprintf("%s\x00%d\x00%d\x00", path, info.Size(), info.ModTime().UnixNano())
	}
	return key + b.layout.prefix + "\x00" + b.Traits(), true
}
