package models

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/weights"
)

// PullOptions are the choices for Pull. The zero value downloads from the publisher.
type PullOptions struct {
	// Mirror is the http or https address of a directory to download from instead.
	Mirror string
	// Client sets timeouts and retries of the download.
	Client download.Client
	// Progress and Notice are download.Request's.
	Progress func(done, total int64)
	Notice   func(text string)
}

// Pulled is the result of a Pull.
type Pulled struct {
	download.Result
	Path string
	// Verified means that the digest is the published one.
	Verified bool
	// Recorded means that no digest is published, and that it is the one of an earlier download.
	Recorded bool
}

// Pull downloads a published file into the models directory and writes its digest next to it, so
// that Digest can detect later damage. If no digest is published, a later download of the file must
// have the digest of the first one. A file that does not contain weights is not kept.
func Pull(ctx context.Context, e Entry, o PullOptions) (Pulled, error) {
	file, err := e.Path()
	if err != nil {
		return Pulled{}, err
	}
	if e.Manual != "" && o.Mirror == "" {
		return e.byHand(file)
	}
	address, err := e.Address(o.Mirror)
	if err != nil {
		return Pulled{}, err
	}
	want, recorded := e.SHA256, false
	if want == "" {
		if want, _, err = Digest(file); err != nil {
			return Pulled{}, err
		}
		recorded = want != ""
	}
	request := download.Request{
		URL: address, AllowHTTP: o.Mirror != "", Confirm: asks(address), Path: file, Size: e.Size, SHA256: want,
		Check: readable, Progress: o.Progress, Notice: o.Notice,
	}
	var result download.Result
	if e.Archive == nil {
		result, err = o.Client.Get(ctx, request)
	} else {
		result, err = getMember(ctx, o.Client, e, request)
	}
	if errors.Is(err, download.ErrMismatch) && recorded {
		err = fmt.Errorf("%w; that is the digest of the first download: to accept another file, remove %s", err, file+noteSuffix)
	}
	if err != nil {
		return Pulled{}, err
	}
	p := Pulled{Result: result, Path: file, Verified: e.SHA256 != "" && !result.Existed, Recorded: recorded && !result.Existed}
	if result.Existed {
		return p, nil
	}
	note := fmt.Appendf(nil, "%s  %s\n", result.SHA256, e.File) // as sha256sum writes it
	return p, files.WriteBytes(file+noteSuffix, note)
}

// ErrManual is wrapped by errors about files that people must download themselves.
var ErrManual = errors.New("declip cannot download it")

// byHand is Pull for a file that people must download. Its digest is checked by Digest.
func (e Entry) byHand(file string) (Pulled, error) {
	if _, err := os.Stat(file); err == nil {
		return Pulled{Path: file, Result: download.Result{Existed: true}}, nil
	}
	return Pulled{}, fmt.Errorf("%w: %s. Get it at %s and save it as %s, or name a mirror (--from) that has %s", ErrManual, e.Manual, e.URL, file, e.File)
}

// Record writes down the digest of a file of the catalogue for which none is known, so that later
// changes are noticed. It reports whether the file is in the catalogue.
func Record(file, sha256 string) (bool, error) {
	e, ok := Lookup(filepath.Base(file))
	if !ok || e.File != filepath.Base(file) {
		return false, nil
	}
	return true, files.WriteBytes(file+noteSuffix, fmt.Appendf(nil, "%s  %s\n", sha256, e.File))
}

// readable returns an error if a file does not contain weights: a proxy or a login page may have
// answered instead of the server.
func readable(file string) error {
	f, err := weights.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

// Path returns the file's path in the models directory, whether it exists or not.
func (e Entry) Path() (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, e.File), nil
}

// Download returns the path that the download is written to: the file's, or its archive's.
func (e Entry) Download() (string, error) {
	path, err := e.Path()
	if err == nil && e.Archive != nil {
		path = filepath.Join(filepath.Dir(path), e.Archive.File)
	}
	return path, err
}

// Address returns the address to download from: the publisher's, or that of the file of the same
// name in mirror. It is the archive's for a file in one.
func (e Entry) Address(mirror string) (string, error) {
	if mirror == "" {
		return e.URL, nil
	}
	if e.Archive != nil {
		return download.MirrorAddress(mirror, e.Archive.File)
	}
	return download.MirrorAddress(mirror, e.File)
}

// asks reports whether the server at an address asks before it sends large files.
func asks(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "drive.google.com" || u.Hostname() == "drive.usercontent.google.com")
}

// Digest returns the SHA-256 that a file should have, and how it is known; want is empty if nothing
// is known. Published files are recognised by their name.
func Digest(file string) (want, source string, err error) {
	if e, ok := Lookup(filepath.Base(file)); ok && e.File == filepath.Base(file) && e.SHA256 != "" {
		return e.SHA256, "as published", nil
	}
	note, err := os.ReadFile(file + noteSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	want, _, _ = strings.Cut(strings.TrimSpace(string(note)), " ")
	if sum, err := hex.DecodeString(want); err != nil || len(sum) != 32 {
		return "", "", fmt.Errorf("%s: expected a SHA-256 in hexadecimal, got %q", file+noteSuffix, want)
	}
	return strings.ToLower(want), "as it was downloaded", nil
}
