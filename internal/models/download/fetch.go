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

// Errors to tell apart with errors.Is. Each is wrapped in one that says more.
var (
	// ErrMismatch: what arrived is not what was published. Nothing is kept.
	ErrMismatch = errors.New("the file that arrived is not the one that was asked for")
	// ErrBusy: another process is downloading the same file.
	ErrBusy = errors.New("another download of this file is under way")
)

// RemoteError is an error of the network or the server, as opposed to one of
// this machine's disk or of the file itself.
type RemoteError struct {
	// URL is what was asked for.
	URL string
	// Unreachable: no connection came about at all.
	Unreachable bool
	// Err is the cause.
	Err error

	again bool          // may go away by itself
	pause time.Duration // the server asks to wait so long
}

func (e *RemoteError) Error() string { return fmt.Sprintf("%s: %v", e.URL, e.Err) }
func (e *RemoteError) Unwrap() error { return e.Err }

// Client says how patient downloads are. The zero value is what a person at a
// terminal wants.
type Client struct {
	// Stall is the time without a single byte after which a connection counts
	// as dead. 0: 30 s.
	Stall time.Duration
	// Attempts is how often in a row a download may fail without getting on. 0: 6.
	Attempts int
	// Backoff is the pause after a first failure; it doubles with each further
	// one, up to 30 s. 0: 1 s.
	Backoff time.Duration
	// UserAgent is what the program calls itself at the server.
	UserAgent string
}

// Request is one file to download.
type Request struct {
	// URL is its address. Only https is allowed unless AllowHTTP is set; a
	// redirect never leads from https to http.
	URL       string
	AllowHTTP bool
	// Path is where the file will lie, once it is whole. The folder is made if
	// need be.
	Path string
	// Size is the expected length in bytes; 0: unknown.
	Size int64
	// SHA256 is the expected digest in hexadecimal; empty: unknown.
	SHA256 string
	// Check looks at the whole file, under its temporary name, before it is
	// kept; an error discards it. nil: no check.
	Check func(path string) error
	// Progress is told how many bytes are there and how many there will be (-1:
	// unknown), often. nil: not told.
	Progress func(done, total int64)
	// Notice is told what does not end the download: a retry, a start from the
	// beginning. nil: not told.
	Notice func(text string)
}

// MirrorAddress returns the address of a file in a mirror: a directory, http or https, that contains
// the files of other places under their own names. A query of mirror is kept.
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

// Result says what became of a download.
type Result struct {
	// Existed: the file lay there already and was not touched; the other fields
	// are empty.
	Existed bool
	// Size is the file's length in bytes.
	Size int64
	// Resumed is how many of them an earlier download had left.
	Resumed int64
	// SHA256 is the file's digest in hexadecimal.
	SHA256 string
}

// Get downloads a file. When ctx ends, or the network gives up, what has arrived
// is kept and the next Get of the same URL goes on from there.
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
	// Only now: another process may have finished it while this one waited.
	if _, err := os.Lstat(r.Path); err == nil {
		d.discard()
		return Result{Existed: true}, nil
	}
	if err := d.run(ctx); err != nil {
		return Result{}, err
	}
	return d.finish()
}

// run makes attempts until everything is there.
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
			return fmt.Errorf("given up after %d attempts: %w", failures, err)
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
	minProgress = 1 << 20 // bytes that make an attempt count as getting on
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

// transport is a client of its own: no answer is unpacked on the way, since
// offsets count packed bytes, and the proxy is the environment's.
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
