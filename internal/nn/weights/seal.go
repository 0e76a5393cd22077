package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Metadata keys of a sealed file. sealKey is the SHA-256 of the whole file, in hexadecimal,
// computed with zeros in the place of its 64 digits. sealedKey says that there is one, so that
// damage to the name of sealKey is noticed, too.
const (
	sealKey   = "declip.sha256"
	sealedKey = "declip.sealed"
	sealed    = "sha256"
)

var (
	// ErrDamaged is wrapped by the error about a sealed file whose contents are not those that were
	// written.
	ErrDamaged = errors.New("the file is damaged: its SHA-256 is not the one stored in it")
	// ErrNoSeal is wrapped by the error about a file without a digest of its contents.
	ErrNoSeal = errors.New("the file has no digest of its contents")
)

var blank = strings.Repeat("0", 2*sha256.Size)

// WriteSealed is Write with a digest of the header and the contents in the metadata, which
// File.CheckSeal verifies.
func WriteSealed(path string, tensors []Tensor, metadata map[string]string) error {
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[sealKey], metadata[sealedKey] = blank, sealed
	sum := sha256.New()
	if err := WriteTo(sum, tensors, metadata); err != nil {
		return err
	}
	metadata[sealKey] = hex.EncodeToString(sum.Sum(nil))
	return Write(path, tensors, metadata)
}

// Unsealed returns a copy of the metadata of a file without its digest, for a file with other
// contents.
func Unsealed(metadata map[string]string) map[string]string {
	copied := maps.Clone(metadata)
	delete(copied, sealKey)
	delete(copied, sealedKey)
	return copied
}

// CheckSeal reads the whole file and returns an error that wraps ErrDamaged unless it is what
// WriteSealed wrote, or ErrNoSeal if the file holds no digest.
func (f *File) CheckSeal(ctx context.Context) error {
	want, found := f.metadata[sealKey]
	_, said := f.metadata[sealedKey]
	if !found && !said || f.format != FormatSafetensors {
		return fmt.Errorf("%s: %w", f.path, ErrNoSeal)
	}
	if len(want) != len(blank) || !said {
		return fmt.Errorf("%s: %w", f.path, ErrDamaged)
	}
	var prefix [8]byte
	if err := readFull(f.reader, prefix[:], 0); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	// parseSafetensors has checked the length.
	head := make([]byte, 8+le.Uint64(prefix[:]))
	if err := readFull(f.reader, head, 0); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	place := []byte(`"` + sealKey + `":"` + want + `"`)
	if bytes.Count(head, place) != 1 {
		return fmt.Errorf("%s: %w", f.path, ErrDamaged)
	}
	sum := sha256.New()
	sum.Write(bytes.Replace(head, place, []byte(`"`+sealKey+`":"`+blank+`"`), 1))
	rest := io.NewSectionReader(f.reader, int64(len(head)), f.size-int64(len(head)))
	buffer := make([]byte, 1<<20)
	for {
		n, err := rest.Read(buffer)
		sum.Write(buffer[:n])
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			if hex.EncodeToString(sum.Sum(nil)) != want {
				return fmt.Errorf("%s: %w", f.path, ErrDamaged)
			}
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
}
