package models

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/models/download"
)

// getMember downloads an archive, takes the file out of it and removes the archive. r is the
// request for the file; an archive whose download was interrupted is resumed.
func getMember(ctx context.Context, client download.Client, e Entry, r download.Request) (download.Result, error) {
	if _, err := os.Lstat(r.Path); err == nil {
		return download.Result{Existed: true}, nil
	}
	archive := r
	path, err := e.Download()
	if err != nil {
		return download.Result{}, err
	}
	archive.Path = path
	archive.Size, archive.SHA256 = e.Archive.Size, e.Archive.SHA256
	archive.Check = func(path string) error { return checkMember(path, e) }
	got, err := client.Get(ctx, archive)
	if err != nil {
		return got, err
	}
	result := download.Result{Resumed: got.Resumed}
	err = files.WriteChecked(r.Path, func(w io.Writer) error {
		result.Size, result.SHA256, err = copyMember(w, archive.Path, e)
		return err
	}, r.Check)
	if errors.Is(err, download.ErrMismatch) || errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrChecksum) {
		return download.Result{}, errors.Join(err, os.Remove(archive.Path)) // damaged
	}
	if err != nil {
		return download.Result{}, err
	}
	return result, os.Remove(archive.Path)
}

// checkMember returns an error if a zip file lacks the published file, or has one of another size.
func checkMember(path string, e Entry) error {
	z, member, err := openMember(path, e)
	if err != nil {
		return err
	}
	return errors.Join(member.Close(), z.Close())
}

// openMember opens the published file in a zip file. The caller closes both.
func openMember(path string, e Entry) (*zip.ReadCloser, io.ReadCloser, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	member, err := z.Open(e.Archive.Member)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), z.Close())
	}
	info, err := member.Stat()
	if err == nil && e.Size > 0 && info.Size() != e.Size {
		err = fmt.Errorf("%w: %s has %d bytes in %s, expected %d", download.ErrMismatch, e.Archive.Member, info.Size(), path, e.Size)
	}
	if err != nil {
		return nil, nil, errors.Join(err, member.Close(), z.Close())
	}
	return z, member, nil
}

// copyMember writes the published file and returns its size and digest, which must be the expected
// ones.
func copyMember(w io.Writer, path string, e Entry) (size int64, digest string, err error) {
	z, member, err := openMember(path, e)
	if err != nil {
		return 0, "", err
	}
	defer z.Close()
	defer member.Close()
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(w, sum), member)
	if err != nil {
		return size, "", fmt.Errorf("%s in %s: %w", e.Archive.Member, path, err)
	}
	digest = hex.EncodeToString(sum.Sum(nil))
	if e.SHA256 != "" && digest != e.SHA256 {
		return size, digest, fmt.Errorf("%w: %s in %s has the SHA-256 %s, expected %s", download.ErrMismatch, e.Archive.Member, path, digest, e.SHA256)
	}
	return size, digest, nil
}
