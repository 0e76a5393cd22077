package onnxruntime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/engine"
)

// Options are the choices for Install. The zero value installs this platform's library from the npm
// registry into the user's cache.
type Options struct {
	// Source is where the package is taken from; see Package.Source.
	Source Source
	// Dir is the directory to install into. Empty: engine.UserDir.
	Dir string
	// Platform is the library's platform, as GOOS/GOARCH. Empty: the program's.
	Platform string
	// Client sets timeouts and retries of the download.
	Client download.Client
	// Progress and Notice are download.Request's.
	Progress func(done, total int64)
	Notice   func(text string)
}

// Installed describes an installed library.
type Installed struct {
	Path string
	Size int64 // in bytes
	// Existed: the library was already there, with the right digest.
	Existed bool
}

// Target returns the path that Install installs to.
func (p Package) Target(o Options) (string, error) {
	lib, dir, err := p.target(o)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, lib.Name), nil
}

// target resolves the defaults of o.
func (p Package) target(o Options) (lib Library, dir string, err error) {
	if o.Platform == "" {
		o.Platform = runtime.GOOS + "/" + runtime.GOARCH
	}
	if lib, err = p.library(o.Platform); err != nil {
		return lib, "", err
	}
	if o.Dir == "" {
		o.Dir, err = engine.UserDir()
	}
	return lib, o.Dir, err
}

// Install takes the package from its source, checks its digest, and puts the platform's library
// into the directory. A library that is already there with the right digest is left as it is. A
// downloaded package is removed again; an interrupted download is resumed by the next call. Errors
// wrap download.ErrMismatch for wrong contents, *download.RemoteError for failures of the network,
// and ErrPlatform.
func Install(ctx context.Context, p Package, o Options) (Installed, error) {
	lib, dir, err := p.target(o)
	if err != nil {
		return Installed{}, err
	}
	result := Installed{Path: filepath.Join(dir, lib.Name), Size: lib.Size}
	switch err := checkFile(ctx, result.Path, lib.Size, lib.SHA256); {
	case err == nil:
		result.Existed = true
		return result, nil
	case ctx.Err() != nil:
		return Installed{}, context.Cause(ctx)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Installed{}, err
	}
	archive := o.Source.File
	if o.Source.URL != "" {
		archive = filepath.Join(dir, p.File)
		if err := p.fetch(ctx, archive, o); err != nil {
			return Installed{}, err
		}
	} else if err := checkFile(ctx, archive, p.Size, p.SHA256); err != nil {
		return Installed{}, err
	}
	if err := extract(ctx, archive, lib, result.Path); err != nil {
		return Installed{}, err
	}
	if o.Source.URL != "" {
		if err := os.Remove(archive); err != nil {
			return Installed{}, err
		}
	}
	return result, nil
}

// fetch downloads the package to path, unless an earlier call that failed later has left it there.
func (p Package) fetch(ctx context.Context, path string, o Options) error {
	switch err := checkFile(ctx, path, p.Size, p.SHA256); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, download.ErrMismatch):
		if err := os.Remove(path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	_, err := o.Client.Get(ctx, download.Request{
		URL: o.Source.URL, Path: path, Size: p.Size, SHA256: p.SHA256,
		AllowHTTP: true, // the digest makes it safe
		Progress:  o.Progress, Notice: o.Notice,
	})
	return err
}

// checkFile returns an error that wraps download.ErrMismatch if the file has not the given size in
// bytes and digest in hexadecimal.
func checkFile(ctx context.Context, path string, size int64, digest string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != size {
		return fmt.Errorf("%w: %s has %d bytes, expected %d", download.ErrMismatch, path, info.Size(), size)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &contextReader{ctx, f}); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return fmt.Errorf("%w: SHA-256 of %s is %s, expected %s", download.ErrMismatch, path, got, digest)
	}
	return nil
}

// contextReader fails when its context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// room returns an error if the disk of a directory has less than size bytes left.
func room(dir string, size int64) error {
	if free, known := files.FreeSpace(dir); known && free < size {
		return fmt.Errorf("not enough space in %s: %d bytes are needed, %d are free", dir, size, free)
	}
	return nil
}
