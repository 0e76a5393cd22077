package onnxruntime

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/models/download"
)

// maxUnpacked is the most that is unpacked of an archive, in bytes; the pinned one has 350 MB.
const maxUnpacked = 1 << 30

// extract writes one library of an archive to path. Names in the archive are only compared, never
// used as paths, and no more than the library's size is written.
func extract(ctx context.Context, archive string, lib Library, path string) error {
	if err := room(filepath.Dir(path), lib.Size); err != nil {
		return err
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	member, err := findMember(&contextReader{ctx, f}, lib)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	return files.WriteSynced(path, func(w io.Writer) error {
		sum := sha256.New()
		if _, err := io.CopyN(io.MultiWriter(w, sum), member, lib.Size); err != nil {
			return fmt.Errorf("%q in %s: %w", lib.Member, archive, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != lib.SHA256 {
			return fmt.Errorf("%w: SHA-256 of %q in %s is %s, expected %s",
				download.ErrMismatch, lib.Member, archive, got, lib.SHA256)
		}
		return nil
	})
}

// findMember returns the contents of a library in a gzipped tar archive.
func findMember(r io.Reader, lib Library) (io.Reader, error) {
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(io.LimitReader(unpacked, maxUnpacked))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it has no %q", download.ErrMismatch, lib.Member)
		}
		if err != nil {
			return nil, err
		}
		if header.Name != lib.Member {
			continue
		}
		if header.Typeflag != tar.TypeReg || header.Size != lib.Size {
			return nil, fmt.Errorf("%w: %q is not a regular file of %d bytes", download.ErrMismatch, lib.Member, lib.Size)
		}
		return archive, nil
	}
}
