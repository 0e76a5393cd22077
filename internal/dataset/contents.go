package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"

	"github.com/declip/declip/internal/parallel"
)

// Contents is a hexadecimal SHA-256 that identifies a source's samples as Fingerprint does, and the
// contents of its masks and how they are read. It reads all masks. A source without masks has its
// fingerprint. The error is that ctx ended.
//
// Fingerprint stays, because results that earlier versions wrote record it.
func Contents(ctx context.Context, source Source) (string, error) {
	if s, ok := source.(interface {
		Contents(ctx context.Context) (string, error)
	}); ok {
		return s.Contents(ctx)
	}
	return Fingerprint(source), nil
}

// Contents identifies the samples with their masks; see Contents.
func (s *Set) Contents(ctx context.Context) (string, error) {
	s.contents.Lock()
	defer s.contents.Unlock()
	if s.contents.text != "" {
		return s.contents.text, nil
	}
	sums := make([]string, len(s.items))
	workers := 2 * runtime.GOMAXPROCS(0) // they wait for the disk half of the time
	err := parallel.For(ctx, len(s.items), workers, func(_ context.Context, i int) error {
		if sums[i] = "-"; s.items[i].mask() != nil {
			sums[i] = s.items[i].mask().digest()
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "contents 2 %s\n", s.Fingerprint())
	if r := s.rule; r.Channel != ChannelAuto || !r.Values.IsZero() {
		fmt.Fprintf(hash, "rule %s %s\n", r.Channel, r.Values)
	}
	for _, sum := range sums {
		fmt.Fprintln(hash, sum)
	}
	s.contents.text = hex.EncodeToString(hash.Sum(nil))
	return s.contents.text, nil
}

// Contents identifies the samples with their masks; see Contents.
func (p *part) Contents(ctx context.Context) (string, error) {
	text, err := Contents(ctx, p.source)
	return digest(fmt.Sprint("part ", text, p.list)), err
}

// Contents identifies the samples with their masks; see Contents.
func (j joined) Contents(ctx context.Context) (string, error) {
	text := "joined"
	for _, s := range j {
		one, err := Contents(ctx, s)
		if err != nil {
			return "", err
		}
		text += " " + one
	}
	return digest(text), nil
}
