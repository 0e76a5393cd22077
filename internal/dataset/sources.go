package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/declip/declip/internal/picture"
)

// maskSource is where an item's mask comes from: a file, or a part of a file that holds many.
type maskSource interface {
	// read gives the mask, and what was reinterpreted, as ReadMask does.
	read(ctx context.Context, limits picture.Limits, rule MaskRule) (mask *picture.Gray, note string, err error)
	// size is the mask's, in pixels, without drawing or decoding it.
	size() (w, h int, err error)
	// digest is a hexadecimal SHA-256 of what is stored; "-" if that cannot be read.
	digest() string
}

// blob is a picture's file where that is part of another file.
type blob interface {
	bytes() ([]byte, error)
}

// mask is where the item's mask comes from; nil if it has none.
func (it *item) mask() maskSource {
	switch {
	case it.truth != nil:
		return it.truth
	case it.Mask != "":
		return fileMask(it.Mask)
	}
	return nil
}

// readMask reads the item's mask, by its layout's rule where the user gives none.
func (it *item) readMask(ctx context.Context, limits picture.Limits, rule MaskRule) (mask *picture.Gray, note string, err error) {
	if rule.Channel == ChannelAuto && rule.Values.IsZero() {
		rule = it.rule
	}
	return it.mask().read(ctx, limits, rule)
}

// open decodes the item's picture. The error names it.
func (it *item) open(ctx context.Context, limits picture.Limits) (*picture.Picture, error) {
	if it.inside == nil {
		return picture.OpenContext(ctx, it.Image, limits)
	}
	data, err := it.inside.bytes()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", it.Image, err)
	}
	p, err := picture.DecodeContext(ctx, data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", it.Image, err)
	}
	return p, nil
}

// fileMask is a mask in a file of its own, by its path.
type fileMask string

func (f fileMask) read(ctx context.Context, limits picture.Limits, rule MaskRule) (*picture.Gray, string, error) {
	return ReadMask(ctx, string(f), limits, rule)
}

func (f fileMask) size() (w, h int, err error) { return headerSize(string(f)) }

func (f fileMask) digest() string {
	path := string(f)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "-" // opening a pipe would wait for a writer
	}
	file, err := os.Open(path)
	if err != nil {
		return "-"
	}
	defer file.Close()
	return sumOf(file)
}

// blobMask is a mask's file inside another file. Errors name it.
type blobMask struct {
	blob
	name string
}

func (b blobMask) read(ctx context.Context, limits picture.Limits, rule MaskRule) (*picture.Gray, string, error) {
	data, err := b.bytes()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", b.name, err)
	}
	stored, err := picture.DecodeStored(ctx, data, limits)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", b.name, err)
	}
	return readNamed(b.name, stored, rule)
}

func (b blobMask) size() (w, h int, err error) {
	data, err := b.bytes()
	if err == nil {
		_, w, h, err = picture.Header(data)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", b.name, err)
	}
	return w, h, nil
}

func (b blobMask) digest() string {
	data, err := b.bytes()
	if err != nil {
		return "-"
	}
	return sumOf(bytes.NewReader(data))
}

func sumOf(r io.Reader) string {
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return "-"
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// ReadMask reads the mask of picture i as the function ReadMask does, without inverting or scaling
// it. The picture must have a mask (Item.Mask).
func (s *Set) ReadMask(ctx context.Context, i int) (mask *picture.Gray, note string, err error) {
	it := &s.items[i]
	if it.mask() == nil {
		return nil, "", errors.New(it.Image + " has no mask")
	}
	return it.readMask(ctx, s.limits, s.rule)
}

// OpenPicture decodes picture i without its mask. The error names it.
func (s *Set) OpenPicture(ctx context.Context, i int) (*picture.Picture, error) {
	return s.items[i].open(ctx, s.limits)
}
