package models

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/weights"
)

// PullOptions are the choices for Pull. The zero value fetches from where the
// file is published.
type PullOptions struct {
	// Mirror is the address of a folder that is asked instead, http or https.
	Mirror string
	// Client says how patient the download is.
	Client download.Client
	// Progress and Notice are download.Request's.
	Progress func(done, total int64)
	Notice   func(text string)
}

// Pulled is what became of a Pull.
type Pulled struct {
	download.Result
	Path string
	// Verified: the digest is the published one.
	Verified bool
}

// Pull fetches a published file into the models folder, and notes its digest
// beside it so that Digest can find later damage. A file that holds no weights
// is not kept.
func Pull(ctx context.Context, e Entry, o PullOptions) (Pulled, error) {
	file, err := e.Path()
	if err != nil {
		return Pulled{}, err
	}
	address, err := e.Address(o.Mirror)
	if err != nil {
		return Pulled{}, err
	}
	result, err := o.Client.Get(ctx, download.Request{
		URL: address, AllowHTTP: o.Mirror != "", Path: file, SHA256: e.SHA256,
		Check: readable, Progress: o.Progress, Notice: o.Notice,
	})
	if err != nil {
		return Pulled{}, err
	}
	p := Pulled{Result: result, Path: file, Verified: e.SHA256 != "" && !result.Existed}
	if result.Existed {
		return p, nil
	}
	note := fmt.Appendf(nil, "%s  %s\n", result.SHA256, e.File) // as sha256sum writes it
	return p, files.WriteBytes(file+noteSuffix, note)
}

// readable says whether a file holds weights, as opposed to a message from
// whatever stood between here and the server.
func readable(file string) error {
	f, err := weights.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

// Path is where the file lies, or would lie, in the models folder.
func (e Entry) Path() (string, error) {
	dir, err := Folder()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, e.File), nil
}

// Address is where the file is fetched from: where it is published, or the file
// of the same name in mirror.
func (e Entry) Address(mirror string) (string, error) {
	if mirror == "" {
		return e.URL, nil
	}
	return download.MirrorAddress(mirror, e.File)
}

// Digest says which SHA-256 a file should have, and how that is known; want is
// empty where nothing is known. Published files are told by their name.
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
