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

	"github.com/declip/declip/internal/files"
)

// download is a file on its way.
type download struct {
	client  *Client
	request Request
	http    *http.Client

	lock *os.File // X.part.json, locked
	part *os.File // X.part
	from origin

	done    int64 // bytes in part
	resumed int64 // of them, those an earlier download left
	sum     hash.Hash
	crc     hash.Hash32
	wantCRC string // base64 as the server said; empty: it did not
	kept    bool   // the part has become the file, or is gone
}

// origin is what X.part.json says: where the part comes from, and how to ask
// for the rest of the very same file.
type origin struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Size         int64  `json:"size"` // -1: unknown
}

// validator is a value for If-Range, empty if there is none. Weak tags are not
// allowed there: they promise the same meaning, not the same bytes.
func (o origin) validator() string {
	if o.ETag != "" && !strings.HasPrefix(o.ETag, "W/") {
		return o.ETag
	}
	return o.LastModified
}

// PartSuffix ends the name of an unfinished download, NoteSuffix that of the
// note beside it.
const (
	PartSuffix = ".part"
	NoteSuffix = ".part.json"
)

// open finds out where an earlier download left off.
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
	// A note that cannot be read is no note: the part is of unknown origin.
	_ = json.Unmarshal(text, &d.from)
	usable := d.from.URL == d.request.URL && d.from.validator() != "" && (d.from.Size < 0 || info.Size() <= d.from.Size)
	if !usable {
		return d.restart()
	}
	return d.resume(ctx, info.Size())
}

// resume takes the first n bytes as they are.
func (d *download) resume(ctx context.Context, n int64) error {
	d.sum, d.crc = sha256.New(), crc32.New(castagnoli)
	read, err := io.Copy(io.MultiWriter(d.sum, d.crc), &reader{ctx, io.LimitReader(d.part, n)})
	if err == nil && read != n {
		err = io.ErrUnexpectedEOF
	}
	d.done, d.resumed = n, n
	return err
}

// reader ends with its context.
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

// restart throws away what is there.
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

// note writes down where the part comes from.
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

// whole says whether everything is there that there is to be.
func (d *download) whole() bool { return d.from.Size >= 0 && d.done == d.from.Size && d.done > 0 }

// write adds to the part.
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

// finish checks the whole part and gives it its name.
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

// unlock takes the note away. Where an open file cannot be removed, it goes
// after it is closed, unless somebody else has taken it meanwhile.
func (d *download) unlock() {
	os.Remove(d.lock.Name())
	d.lock.Close()
	if runtime.GOOS == "windows" {
		os.Remove(d.lock.Name())
	}
}

// close leaves a part to go on from, but none that is empty.
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
		d.request.Notice(fmt.Sprintf(format, args...))
	}
}

func (d *download) progress() {
	if d.request.Progress != nil {
		d.request.Progress(d.done, d.from.Size)
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// lockFile opens the file at path, made if need be, and locks it. The lock ends
// with the process, whatever ends it.
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
		case errors.Is(err, files.ErrUnknownLocks): // then two downloads at once are the user's to avoid
		case err != nil:
			f.Close()
			return nil, err
		}
		// The holder before may have removed the file between opening and
		// locking; then the lock is on a file that nobody else will find.
		mine, err := f.Stat()
		if err == nil {
			if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		f.Close()
	}
	return nil, errors.New("the lock file keeps vanishing: " + path)
}
