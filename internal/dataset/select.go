package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// Some is at most limit samples of a source, always the same ones, in the source's order; 0 means
// all. They are drawn and not evenly spaced, because a source may repeat its methods with a period.
func Some(source Source, limit int) Source {
	n := source.Len()
	if limit <= 0 || limit >= n {
		return source
	}
	list := rand.New(rand.NewPCG(uint64(n), 1)).Perm(n)[:limit]
	slices.Sort(list)
	return &part{source, list}
}

// part is a selection of a source's samples.
type part struct {
	source Source
	list   []int
}

// Len implements Source.
func (p *part) Len() int { return len(p.list) }

// Load implements Source.
func (p *part) Load(ctx context.Context, i int) (Sample, error) { return p.source.Load(ctx, p.list[i]) }

// Path is sample i's file.
func (p *part) Path(i int) string { return PathOf(p.source, p.list[i]) }

// Name is what the source calls sample i.
func (p *part) Name(i int) string { return NameOf(p.source, p.list[i]) }

// Fingerprint identifies the samples.
func (p *part) Fingerprint() string {
	return digest(fmt.Sprint("part ", Fingerprint(p.source), p.list))
}

// Join is the samples of several sources, one after the other.
func Join(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	return joined(sources)
}

type joined []Source

// Len implements Source.
func (j joined) Len() int {
	n := 0
	for _, s := range j {
		n += s.Len()
	}
	return n
}

// at is the source of sample i, and its index there.
func (j joined) at(i int) (Source, int) {
	for _, s := range j {
		if i < s.Len() {
			return s, i
		}
		i -= s.Len()
	}
	panic(fmt.Sprintf("dataset: sample %d past the end", i)) // like an index into a slice
}

// Load implements Source.
func (j joined) Load(ctx context.Context, i int) (Sample, error) {
	s, k := j.at(i)
	return s.Load(ctx, k)
}

// Path is sample i's file.
func (j joined) Path(i int) string {
	s, k := j.at(i)
	return PathOf(s, k)
}

// Fingerprint identifies the samples.
func (j joined) Fingerprint() string {
	text := "joined"
	for _, s := range j {
		text += " " + Fingerprint(s)
	}
	return digest(text)
}

// UntouchedFiles is a source of untouched pictures, by their paths, with empty masks and the given
// method.
func UntouchedFiles(paths []string, method string, limits picture.Limits) Source {
	return &untouched{paths, method, limits}
}

type untouched struct {
	paths  []string
	method string
	limits picture.Limits
}

// Len implements Source.
func (u *untouched) Len() int { return len(u.paths) }

// Path is sample i's file.
func (u *untouched) Path(i int) string { return u.paths[i] }

// Load implements Source.
func (u *untouched) Load(ctx context.Context, i int) (Sample, error) {
	if ctx.Err() != nil {
		return Sample{}, context.Cause(ctx)
	}
	d, err := picture.OpenContext(ctx, u.paths[i], u.limits)
	if err != nil {
		return Sample{}, err
	}
	mask := picture.NewGray(d.Width, d.Height)
	return Sample{Picture: d, Mask: mask, Label: Untouched, Name: u.paths[i], Path: u.paths[i], Method: u.method}, nil
}

// PathOf is a sample's file; "" if it has none.
func PathOf(source Source, i int) string {
	if p, ok := source.(interface{ Path(i int) string }); ok {
		return p.Path(i)
	}
	return ""
}

// Fingerprint is a hexadecimal SHA-256 that identifies a source's samples. A source without a
// fingerprint of its own is identified by its type and length.
func Fingerprint(source Source) string {
	if s, ok := source.(interface{ Fingerprint() string }); ok {
		return s.Fingerprint()
	}
	return digest(fmt.Sprintf("%T %d", source, source.Len()))
}

// fileFingerprint is a hexadecimal SHA-256 of files' names and lengths.
func fileFingerprint(paths []string) string {
	hash := sha256.New()
	for _, path := range paths {
		length := int64(-1)
		if info, err := os.Stat(path); err == nil {
			length = info.Size()
		}
		fmt.Fprintf(hash, "%s\x00%d\n", filepath.Base(path), length)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// digest is the hexadecimal SHA-256 of a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Fingerprint is a hexadecimal SHA-256 of the files' names and lengths. It does not read the
// pictures.
func (u *untouched) Fingerprint() string { return fileFingerprint(u.paths) }
