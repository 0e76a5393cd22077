package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"unicode"

	"github.com/declip/declip/internal/files"
)

// download is the state of one download.
type download struct {
	client  *Client
	request Request
	http    *http.Client

	lock *os.File // X.part.json, locked
	part *os.File // X.part
	from origin

	done    int64 // bytes in part
	resumed int64 // of them, those from an earlier download
	sum     hash.Hash
	crc     hash.Hash32
	wantCRC string // in base64, from the server; empty: unknown
	kept    bool   // the part has been renamed or removed
}

// origin is the contents of X.part.json: where the part comes from, and how to request the rest of
// exactly the same file.
type origin struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Size         int64  `json:"size"` // -1: unknown
}

// validator returns the value for If-Range, empty if there is none. Weak tags are not allowed
// there: they promise equivalent contents, not the same bytes.
func (o origin) validator() string {
	if o.ETag != "" && !strings.HasPrefix(o.ETag, "W/") {
		return o.ETag
	}
	return o.LastModified
}

// PartSuffix is the suffix of unfinished downloads, NoteSuffix that of their notes.
const (
	PartSuffix = ".part"
	NoteSuffix = ".part.json"
)

// open finds out how much of the file an earlier download has left.
func (d *download) open(ctx context.Context) (err error) {
	if d.part, err = os.OpenFile(d.request.Path+PartSuffix, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	info, err := d.part.Stat()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(d.lock, 1<<16))
	if err != nil {
		return err
	}
	// An unreadable note is ignored: the part is then of unknown origin.
	_ = json.Unmarshal(text, &d.from)
	usable := d.from.URL == d.request.URL && d.from.validator() != "" && (d.from.Size < 0 || info.Size() <= d.from.Size)
	if !usable {
		return d.restart()
	}
	return d.resume(ctx, info.Size())
}

// resume keeps the first n bytes of the part.
func (d *download) resume(ctx context.Context, n int64) error {
	d.sum, d.crc = sha256.New(), crc32.New(castagnoli)
	read, err := io.Copy(io.MultiWriter(d.sum, d.crc), &reader{ctx, io.LimitReader(d.part, n)})
	if err == nil && read != n {
		err = io.ErrUnexpectedEOF
	}
	d.done, d.resumed = n, n
	return err
}

// reader fails when its context has ended.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// restart discards what has arrived.
func (d *download) restart() error {
	d.sum, d.crc = sha256.New(), crc32.New(castagnoli)
	d.done, d.resumed, d.from = 0, 0, origin{Size: -1}
	if err := d.note(); err != nil {
		return err
	}
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// note records where the part comes from.
func (d *download) note() error {
	text, err := json.Marshal(d.from)
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err = d.lock.WriteAt(append(text, '\n'), 0)
	return err
}

// whole reports whether all bytes have arrived.
func (d *download) whole() bool { return d.from.Size >= 0 && d.done == d.from.Size && d.done > 0 }

// write appends to the part.
func (d *download) write(p []byte) error {
	n, err := d.part.Write(p)
	d.sum.Write(p[:n])
	d.crc.Write(p[:n])
	d.done += int64(n)
	if err != nil {
		return fmt.Errorf("after %s: %w", megabytes(d.done), err)
	}
	return nil
}

// finish checks the complete part and renames it.
func (d *download) finish() (Result, error) {
	got := hex.EncodeToString(d.sum.Sum(nil))
	if want := d.request.SHA256; want != "" && got != strings.ToLower(want) {
		d.discard()
		return Result{}, fmt.Errorf("%w: SHA-256 of %s is %s, expected %s", ErrMismatch, d.request.URL, got, want)
	}
	if d.wantCRC != "" && crcText(d.crc.Sum32()) != d.wantCRC {
		d.discard()
		return Result{}, fmt.Errorf("%w: CRC-32C of %s is %s, expected %s", ErrMismatch, d.request.URL, crcText(d.crc.Sum32()), d.wantCRC)
	}
	if err := d.part.Sync(); err != nil {
		return Result{}, err
	}
	if err := d.part.Close(); err != nil {
		return Result{}, err
	}
	if check := d.request.Check; check != nil {
		if err := check(d.part.Name()); err != nil {
			d.discard()
			return Result{}, fmt.Errorf("%w: %w", ErrMismatch, err)
		}
	}
	if err := os.Rename(d.part.Name(), d.request.Path); err != nil {
		return Result{}, err
	}
	d.kept = true
	d.unlock()
	return Result{Size: d.done, Resumed: d.resumed, SHA256: got}, nil
}

// discard removes the part and its note.
func (d *download) discard() {
	d.part.Close()
	os.Remove(d.part.Name())
	d.kept = true
	d.unlock()
}

// unlock removes the note. Where an open file cannot be removed, it is removed after closing,
// unless another process has opened it in the meantime.
func (d *download) unlock() {
	os.Remove(d.lock.Name())
	d.lock.Close()
	if runtime.GOOS == "windows" {
		os.Remove(d.lock.Name())
	}
}

// close keeps a part to resume from, unless it is empty.
func (d *download) close() {
	d.http.CloseIdleConnections()
	switch {
	case d.kept:
	case d.part == nil:
		d.unlock()
	case d.done == 0:
		d.discard()
	default:
		d.part.Close()
		d.lock.Close()
	}
}

func (d *download) notice(format string, args ...any) {
	if d.request.Notice != nil {
		d.request.Notice(printable(fmt.Sprintf(format, args...)))
	}
}

// printable replaces the control characters of a text with question marks, and cuts off what is
// longer than any message: servers may have sent parts of it.
func printable(text string) string {
	const most = 1000
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

func (d *download) progress() {
	if d.request.Progress != nil {
		d.request.Progress(d.done, d.from.Size)
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// lockFile opens the file at path, creating it if needed, and locks it. The lock ends with the
// process.
func lockFile(path string) (*os.File, error) {
	for range 100 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		switch err := files.LockExclusive(f); {
		case errors.Is(err, files.ErrLocked):
			f.Close()
			return nil, ErrBusy
		case errors.Is(err, files.ErrUnknownLocks): // then the user must avoid two downloads at once
		case err != nil:
			f.Close()
			return nil, err
		}
		// The previous holder may have removed the file between opening and locking. Then the lock
		// is on a file that no other process will find.
		mine, err := f.Stat()
		if err == nil {
			if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		f.Close()
	}
	return nil, errors.New("the lock file is removed again and again: " + path)
}
