package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/declip/declip/internal/files"
)

// dir is a store in a directory. Nothing outside it is read or written, also by links.
type dir struct {
	root     *os.Root
	readOnly bool
}

// openFile opens file:///PATH.
func openFile(_ context.Context, u *url.URL, o Options) (Store, error) {
	if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: expected file:///PATH", ErrInvalid)
	}
	p := u.Path
	if len(p) > 2 && p[0] == '/' && p[2] == ':' { // /C:/pictures
		p = p[1:]
	}
	return OpenDir(filepath.FromSlash(p), o)
}

// OpenDir opens the store in a directory, which is created if it is missing, except with
// Options.ReadOnly.
func OpenDir(name string, o Options) (Store, error) {
	if name == "" {
		return nil, fmt.Errorf("store: %w: the directory's name is empty", ErrInvalid)
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(name, 0o755); err != nil {
			return nil, fileError(name, err)
		}
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	return &dir{root, o.ReadOnly}, nil
}

func (d *dir) URL() string {
	p := filepath.ToSlash(d.root.Name())
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return (&url.URL{Scheme: "file", Path: p}).String()
}

func (d *dir) Close() error { return d.root.Close() }

func (d *dir) Get(ctx context.Context, key string) (io.ReadCloser, Info, error) {
	f, info, err := d.open(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	return f, info, nil
}

func (d *dir) open(ctx context.Context, key string) (*os.File, Info, error) {
	info, err := d.Stat(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	f, err := d.root.Open(filepath.FromSlash(key))
	if err != nil {
		return nil, Info{}, fileError(key, err)
	}
	now, err := f.Stat()
	if err == nil && !now.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, Info{}, fileError(key, err)
	}
	info.Size, info.Modified = now.Size(), now.ModTime()
	return f, info, nil
}

func (d *dir) GetRange(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	if offset < 0 || n < 0 {
		return nil, fmt.Errorf("%s: %w: %d bytes at %d", key, ErrInvalid, n, offset)
	}
	f, _, err := d.open(ctx, key)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, n), f}, nil
}

// errNotRegular is about pipes, devices and directories.
var errNotRegular = errors.New("not a regular file")

func (d *dir) Stat(ctx context.Context, key string) (Info, error) {
	if err := check(ctx, key); err != nil {
		return Info{}, err
	}
	// A pipe is refused before it is opened, which would wait for its writer.
	info, err := d.root.Stat(filepath.FromSlash(key))
	switch {
	case err != nil:
		return Info{}, fileError(key, err)
	case info.IsDir():
		return Info{}, fmt.Errorf("%s: %w: it is a directory", key, ErrNotFound)
	case !info.Mode().IsRegular():
		return Info{}, fileError(key, errNotRegular)
	}
	return Info{key, info.Size(), info.ModTime()}, nil
}

// check is for all operations on an object.
func check(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return CheckKey(key)
}

func (d *dir) Put(ctx context.Context, key string, body io.Reader) error {
	return d.write(ctx, key, body, files.WriteIn)
}

func (d *dir) PutIfAbsent(ctx context.Context, key string, body io.Reader) error {
	return d.write(ctx, key, body, files.CreateIn)
}

// write writes an object by a function of package files.
func (d *dir) write(ctx context.Context, key string, body io.Reader,
	by func(*os.Root, string, func(io.Writer) error) error,
) error {
	if err := d.checkWrite(ctx, key); err != nil {
		return err
	}
	from := &reader{ctx: ctx, from: body}
	err := by(d.root, key, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
	if from.err != nil { // it says nothing about the store
		return bodyError(key, from.err)
	}
	return fileError(key, err)
}

// bodyError is about what was to be written.
func bodyError(key string, err error) error {
	return fmt.Errorf("%s: what was to be written could not be read: %w", key, err)
}

func readOnlyError(key string) error {
	return fmt.Errorf("%s: %w: the store was opened for reading", key, ErrDenied)
}

func (d *dir) checkWrite(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if d.readOnly {
		return readOnlyError(key)
	}
	if files.IsTemporary(path.Base(key)) {
		return fmt.Errorf("key %.200q: %w: it looks like a temporary file's name", key, ErrInvalid)
	}
	return nil
}

// reader reads what is to be written. It ends with its context, and keeps its error apart from
// those of the store.
type reader struct {
	ctx  context.Context
	from io.Reader
	err  error
}

func (r *reader) Read(p []byte) (n int, err error) {
	if r.ctx.Err() != nil {
		err = context.Cause(r.ctx)
	} else {
		n, err = r.from.Read(p)
	}
	if err != nil && err != io.EOF { //nolint:errorlint // readers must not wrap it
		r.err = err
	}
	return n, err
}

func (d *dir) Delete(ctx context.Context, key string) error {
	if err := d.checkWrite(ctx, key); err != nil {
		return err
	}
	if info, err := d.root.Lstat(filepath.FromSlash(key)); err == nil && info.IsDir() {
		return nil // not an object
	}
	if err := files.RemoveIn(d.root, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError(key, err)
	}
	return nil
}

// fileError classes an error of the file system.
func fileError(key string, err error) error {
	var class error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		class = ErrNotFound
	case errors.Is(err, fs.ErrExist):
		class = ErrExists
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS),
		// Package os does not export the error.
		strings.Contains(err.Error(), "path escapes from parent"):
		class = ErrDenied
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE),
		errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ETIMEDOUT):
		class = ErrUnavailable
	default:
		return fmt.Errorf("%s: %w", key, reason(err))
	}
	return fmt.Errorf("%s: %w: %w", key, class, reason(err))
}

// reason takes the names of files out of err.
func reason(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
