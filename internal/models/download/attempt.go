package download

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/declip/declip/internal/files"
)

// defaultMaxSize is Request.MaxSize if none is given. The largest published file has 2.6 GB.
const defaultMaxSize = 16 << 30

var errStalled = errors.New("no data")

// attempt makes one request for the missing bytes and writes what arrives.
func (d *download) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.client.stall(), func() { cancel(fmt.Errorf("%w for %v", errStalled, d.client.stall())) })
	defer watch.Stop()

	req, err := d.ask(ctx)
	if err != nil {
		return err
	}
	answer, err := d.http.Do(req)
	if err != nil {
		return d.failed(ctx, err)
	}
	defer func() { answer.Body.Close() }()
	if d.request.Confirm && isPage(answer) {
		if answer, err = d.confirm(req, answer); err != nil {
			return err
		}
	}
	if err := d.accept(answer); err != nil {
		return err
	}
	d.progress()
	buffer := make([]byte, 256<<10)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			watch.Reset(d.client.stall())
			if err := d.write(buffer[:n]); err != nil {
				return err
			}
			if err := d.checkSize(d.done, false); err != nil {
				return err
			}
			d.progress()
		}
		switch {
		case err == io.EOF:
			return d.ended()
		case err != nil:
			return d.failed(ctx, err)
		}
	}
}

// ended checks the length at the end of an answer.
func (d *download) ended() error {
	switch size := d.from.Size; {
	case d.done == 0:
		return d.remote(errors.New("the file is empty"), false)
	case size >= 0 && d.done < size:
		return d.remote(fmt.Errorf("ended after %d of %d bytes", d.done, size), true)
	case size >= 0 && d.done > size:
		return d.startOver("got %d bytes of a file of %d", d.done, size)
	}
	return nil
}

// ask makes the request: for the rest of the file if a part of it has arrived.
func (d *download) ask(ctx context.Context) (*http.Request, error) {
	u, err := url.Parse(d.request.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && d.request.AllowHTTP) || u.Host == "" {
		return nil, fmt.Errorf("address %q: expected one that begins with https://", d.request.URL)
	}
	if d.done > 0 && d.from.validator() == "" {
		d.notice("the server does not say whether the file has changed: starting over")
		if err := d.restart(); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.request.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	if d.client.UserAgent != "" {
		req.Header.Set("User-Agent", d.client.UserAgent)
	}
	if d.done > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.done))
		req.Header.Set("If-Range", d.from.validator())
	}
	return req, nil
}

// accept checks an answer's header and prepares the part for its body.
func (d *download) accept(answer *http.Response) error {
	switch code := answer.StatusCode; {
	case code == http.StatusOK, code == http.StatusPartialContent:
	case code == http.StatusRequestedRangeNotSatisfiable && d.done > 0:
		return d.startOver("the server cannot continue at byte %d", d.done)
	default:
		err := d.remote(fmt.Errorf("the server answers %s", answer.Status), false)
		err.again = code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500
		if seconds, e := strconv.Atoi(answer.Header.Get("Retry-After")); e == nil && seconds > 0 {
			err.pause = time.Duration(min(seconds, 3600)) * time.Second
		}
		return err
	}
	if isPage(answer) {
		return d.remote(errors.New("got a web page instead of a file: is there a login page or a proxy in between?"), false)
	}
	if packed := answer.Header.Get("Content-Encoding"); packed != "" && packed != "identity" {
		return d.remote(fmt.Errorf("the file is compressed (%s), which was not requested", packed), false)
	}
	if err := d.place(answer); err != nil {
		return err
	}
	if err := d.checkSize(d.from.Size, true); err != nil {
		return err
	}
	d.wantCRC = googleCRC(answer.Header)
	return d.room()
}

// isPage reports whether an answer is a web page.
func isPage(answer *http.Response) bool {
	return strings.HasPrefix(strings.ToLower(answer.Header.Get("Content-Type")), "text/html")
}

// checkSize discards the part if its file cannot have the expected length. n is the file's length,
// negative if unknown, or, if whole is false, what has arrived of it.
func (d *download) checkSize(n int64, whole bool) error {
	if limit := cmp.Or(d.request.MaxSize, defaultMaxSize); n > limit {
		d.discard()
		return fmt.Errorf("%w: %s has more than %d bytes, which is the limit", ErrMismatch, d.request.URL, limit)
	}
	want := d.request.Size
	if want == 0 || n < 0 || n == want || n < want && !whole {
		return nil
	}
	d.discard()
	have := "has"
	if !whole {
		have = "sends more than"
		n = want
	}
	return fmt.Errorf("%w: %s %s %d bytes, expected %d", ErrMismatch, d.request.URL, have, n, want)
}

// place prepares the part for an answer: the rest of the file, or all of it.
func (d *download) place(answer *http.Response) error {
	tag := answer.Header.Get("ETag")
	if answer.StatusCode == http.StatusPartialContent {
		start, total, ok := contentRange(answer.Header.Get("Content-Range"))
		switch {
		case d.done == 0:
			return d.remote(errors.New("got a part of the file, requested all of it"), false)
		case !ok || start != d.done:
			return d.startOver("the server answers %q to a request from byte %d on", answer.Header.Get("Content-Range"), d.done)
		case tag != "" && d.from.ETag != "" && tag != d.from.ETag, total >= 0 && d.from.Size >= 0 && total != d.from.Size:
			return d.startOver("the file has changed at the server")
		}
		if total >= 0 {
			d.from.Size = total
		}
		return d.note()
	}
	modified := answer.Header.Get("Last-Modified")
	if d.done > 0 {
		reason := "the server cannot resume"
		if tag != d.from.ETag || modified != d.from.LastModified {
			reason = "the file has changed at the server"
		}
		d.notice("%s: starting over", reason)
		if err := d.restart(); err != nil {
			return err
		}
	}
	d.from = origin{URL: d.request.URL, ETag: tag, LastModified: modified, Size: answer.ContentLength}
	return d.note()
}

// startOver discards the part and returns an error that leads to another attempt.
func (d *download) startOver(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if err := d.restart(); err != nil {
		return err
	}
	return d.remote(errors.New(text+": starting over"), true)
}

// room returns an error if the disk is too small for the rest of the file.
func (d *download) room() error {
	need := d.from.Size - d.done
	dir := filepath.Dir(d.request.Path)
	if free, ok := files.FreeSpace(dir); ok && need > 0 && free < need {
		return fmt.Errorf("not enough space in %s: %s are needed, %s are free", dir, megabytes(need), megabytes(free))
	}
	return nil
}

func (d *download) remote(err error, again bool) *RemoteError {
	return &RemoteError{URL: d.request.URL, Err: err, again: again}
}

// failed turns an error of the connection into a RemoteError.
func (d *download) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx) // stalled or cancelled
	}
	var address *url.Error // repeats the address in its text
	if errors.As(err, &address) {
		err = address.Err
	}
	// A connection that worked before may work again. One that never worked more likely means that
	// the machine has no network; then the user should not have to wait.
	remote := d.remote(err, d.done > d.resumed)
	var name *net.DNSError
	var operation *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &name), errors.As(err, &operation) && (operation.Op == "dial" || operation.Op == "proxyconnect"):
		remote.Unreachable = true
	case errors.Is(err, errStalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.As(err, &timeout) && timeout.Timeout():
		remote.again = true
	}
	return remote
}

// contentRange reads "bytes START-END/TOTAL"; total is -1 for "*".
func contentRange(text string) (start, total int64, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes ")
	span, size, ok2 := strings.Cut(text, "/")
	first, _, ok3 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if !ok || !ok2 || !ok3 || err != nil {
		return 0, 0, false
	}
	if size == "*" {
		return start, -1, true
	}
	total, err = strconv.ParseInt(size, 10, 64)
	return start, total, err == nil && total >= 0
}

// googleCRC returns the CRC-32C in the header of Google's storage, in base64; empty if there is
// none.
func googleCRC(h http.Header) string {
	for _, line := range h.Values("X-Goog-Hash") {
		for word := range strings.SplitSeq(line, ",") {
			if sum, ok := strings.CutPrefix(strings.TrimSpace(word), "crc32c="); ok {
				return sum
			}
		}
	}
	return ""
}

func crcText(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
