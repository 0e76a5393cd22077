package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Errors to distinguish with errors.Is. Each is wrapped in one with more detail.
var (
	// ErrMismatch: the file is not the published one. Nothing of it is kept.
	ErrMismatch = errors.New("the file is not the published one")
	// ErrBusy: another process is downloading the same file.
	ErrBusy = errors.New("another download of this file is running")
)

// RemoteError is an error of the network or the server, as opposed to one of the local disk or of
// the file.
type RemoteError struct {
	// URL is the requested address.
	URL string
	// Unreachable means that no connection could be made.
	Unreachable bool
	// Err is the cause.
	Err error

	again bool          // another attempt may succeed
	pause time.Duration // as long as the server asks to wait
}

// Error has no control characters, even if the server sent some: they could command a terminal.
func (e *RemoteError) Error() string { return printable(fmt.Sprintf("%s: %v", e.URL, e.Err)) }
func (e *RemoteError) Unwrap() error { return e.Err }

// Client sets timeouts and retries. The zero value suits interactive use.
type Client struct {
	// Stall is the time without any data after which a connection is given up. 0: 30 s.
	Stall time.Duration
	// Attempts is how many times in a row a download may fail without progress. 0: 6.
	Attempts int
	// Backoff is the pause after the first failure. It doubles after each further one, up to 30 s.
	// 0: 1 s.
	Backoff time.Duration
	// UserAgent is sent to the server.
	UserAgent string

	saveEvery int64 // bytes between two calls of save; 0: defaultSaveEvery
}

// defaultSaveEvery is how many bytes of an unfinished download a kill or a power failure may lose.
const defaultSaveEvery = 16 << 20

// Request is one file to download.
type Request struct {
	// URL is its address. Only https is allowed unless AllowHTTP is set; a
	// redirect never leads from https to http.
	URL       string
	AllowHTTP bool
	// Confirm answers the question that Google Drive asks before it sends a large file, which it has
	// not scanned for viruses.
	Confirm bool
	// Path is the path of the complete file. Its directory is created if needed.
	Path string
	// Size is the expected length in bytes; 0: unknown.
	Size int64
	// MaxSize is the largest length in bytes that is accepted, also if the server gives no length;
	// 0: 16 GiB.
	MaxSize int64
	// SHA256 is the expected digest in hexadecimal; empty: unknown.
	SHA256 string
	// Check gets the path of the complete file under its temporary name. If it returns an error,
	// the file is discarded. nil: no check.
	Check func(path string) error
	// Progress is called often with the number of bytes that have arrived and the total (-1:
	// unknown). nil: not called.
	Progress func(done, total int64)
	// Notice is called for events that do not end the download, such as a retry. nil: not called.
	Notice func(text string)
}

// MirrorAddress returns the address of a file in a mirror: a directory, http or https, that
// contains the files of other places under their own names. A query of mirror is kept.
func MirrorAddress(mirror, file string) (string, error) {
	u, err := url.Parse(mirror)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("expected an address such as https://host/directory")
	}
	if err != nil {
		return "", fmt.Errorf("mirror %q: %w", mirror, err)
	}
	return u.JoinPath(file).String(), nil
}

// Result describes a finished download.
type Result struct {
	// Existed means that the file existed already and was not touched; the other fields are empty.
	Existed bool
	// Size is the length of the file in bytes.
	Size int64
	// Resumed is how many of them had arrived in an earlier download.
	Resumed int64
	// SHA256 is the file's digest in hexadecimal.
	SHA256 string
}

// Get downloads a file. If ctx ends or the network fails, what has arrived is kept, and the next
// Get of the same URL continues from there.
func (c *Client) Get(ctx context.Context, r Request) (Result, error) {
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o777); err != nil {
		return Result{}, err
	}
	lock, err := lockFile(r.Path + NoteSuffix)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", r.Path, err)
	}
	d := &download{client: c, request: r, http: c.transport(), lock: lock}
	defer d.close()
	if err := d.open(ctx); err != nil {
		return Result{}, err
	}
	// Check only now: another process may have finished the file in the meantime.
	if _, err := os.Lstat(r.Path); err == nil {
		d.discard()
		return Result{Existed: true}, nil
	}
	if err := d.run(ctx); err != nil {
		return Result{}, err
	}
	return d.finish()
}

// run makes attempts until the file is complete.
func (d *download) run(ctx context.Context) error {
	failures, pause := 0, d.client.backoff()
	for !d.whole() {
		before := d.done
		err := d.attempt(ctx)
		if err == nil {
			return nil
		}
		var remote *RemoteError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &remote) || !remote.again:
			return err
		case d.done-before >= minProgress:
			failures, pause = 0, d.client.backoff()
		}
		if failures++; failures >= d.client.attempts() {
			return fmt.Errorf("gave up after %d attempts: %w", failures, err)
		}
		wait := max(pause, min(remote.pause, maxPause))
		d.notice("%v; trying again in %v", remote.Err, wait.Round(time.Millisecond))
		if pause = min(2*pause, maxPause); !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
	return nil
}

const (
	minProgress = 1 << 20 // bytes after which an attempt counts as progress
	maxPause    = 30 * time.Second
)

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) stall() time.Duration {
	if c.Stall > 0 {
		return c.Stall
	}
	return 30 * time.Second
}

func (c *Client) attempts() int {
	if c.Attempts > 0 {
		return c.Attempts
	}
	return 6
}

func (c *Client) backoff() time.Duration {
	if c.Backoff > 0 {
		return c.Backoff
	}
	return time.Second
}

// transport returns a client that does not decompress answers, because offsets count compressed
// bytes, and that uses the proxy of the environment.
func (c *Client) transport() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: c.stall(),
			ForceAttemptHTTP2:     true,
			DisableCompression:    true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) >= 10:
				return errors.New("more than 10 redirects")
			case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
				return fmt.Errorf("redirected from https to %s", req.URL.Redacted())
			}
			return nil
		},
	}
}
