package download

import (
	"cmp"
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
	"path/filepath"
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

	lock *files.File // X.part.json, locked
	part *files.File // X.part
	from origin

	done    int64 // bytes in part
	synced  int64 // of them, those on the disk
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
	// Synced is how many bytes of the part survive a power failure; those behind them may be zeros.
	// Notes of earlier versions lack it.
	Synced *int64 `json:"synced,omitempty"`
	// Sum is the CRC-32C of the note without it: a note is overwritten in place, because it is locked.
	Sum string `json:"crc32c,omitempty"`
}

// sum is what Sum must be.
func (o origin) sum() (string, error) {
	o.Sum = ""
	text, err := json.Marshal(o)
	return crcText(crc32.Checksum(text, castagnoli)), err
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
	if d.part, err = files.OpenFile(d.request.Path+PartSuffix, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
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
	size := info.Size()
	usable := d.readNote(text) && d.from.URL == d.request.URL && d.from.validator() != "" && (d.from.Size < 0 || size <= d.from.Size)
	if !usable {
		return d.restart()
	}
	if d.from.Synced != nil && *d.from.Synced < size {
		if size, err = d.keep(*d.from.Synced); err != nil {
			return err
		}
	}
	return d.resume(ctx, size)
}

// readNote reads the note, and reports whether it can be trusted. Otherwise the part is of unknown
// origin.
func (d *download) readNote(text []byte) bool {
	if err := json.Unmarshal(text, &d.from); err != nil {
		return false
	}
	if d.from.Synced == nil { // of an earlier version
		return true
	}
	sum, err := d.from.sum()
	return err == nil && sum == d.from.Sum && *d.from.Synced >= 0
}

// keep cuts the part to the bytes that are certainly right.
func (d *download) keep(size int64) (int64, error) {
	d.notice("the last download ended without a chance to save: continuing at %s", megabytes(size))
	return size, d.part.Truncate(size)
}

// resume keeps the first n bytes of the part.
func (d *download) resume(ctx context.Context, n int64) error {
	d.sum, d.crc = sha256.New(), crc32.New(castagnoli)
	read, err := io.Copy(io.MultiWriter(d.sum, d.crc), &reader{ctx, io.LimitReader(d.part, n)})
	if err == nil && read != n {
		err = io.ErrUnexpectedEOF
	}
	d.done, d.resumed, d.synced = n, n, n
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
	d.done, d.resumed, d.synced, d.from = 0, 0, 0, origin{Size: -1}
	if err := d.note(); err != nil {
		return err
	}
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// save brings the part to the disk and notes how long it is.
func (d *download) save() error {
	if err := d.part.Sync(); err != nil {
		return err
	}
	d.synced = d.done
	return d.note()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// note records where the part comes from.
func (d *download) note() (err error) {
	d.from.Synced = &d.synced
	if d.from.Sum, err = d.from.sum(); err != nil {
		return err
	}
	text, err := json.Marshal(d.from)
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	if _, err = d.lock.WriteAt(append(text, '\n'), 0); err != nil {
		return err
	}
	// Before the part changes: an old note must not describe a new part.
	return d.lock.Sync()
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
	if d.done-d.synced >= cmp.Or(d.client.saveEvery, defaultSaveEvery) {
		return d.save()
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
	if err := files.Rename(d.part.Name(), d.request.Path); err != nil {
		return Result{}, err
	}
	d.kept = true
	if err := files.SyncDir(filepath.Dir(d.request.Path)); err != nil {
		return Result{}, err
	}
	d.unlock()
	return Result{Size: d.done, Resumed: d.resumed, SHA256: got}, nil
}

// discard removes the part and its note.
func (d *download) discard() {
	d.part.Close()
	_ = files.Remove(d.part.Name()) // or the next download cuts it
	d.kept = true
	d.unlock()
}

// unlock removes the note. Where an open file cannot be removed, it is removed after closing,
// unless another process has opened it in the meantime.
func (d *download) unlock() {
	_ = files.Remove(d.lock.Name()) // a note without a part means nothing
	d.lock.Close()
	if runtime.GOOS == "windows" {
		_ = files.Remove(d.lock.Name())
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
		if err := d.save(); err != nil {
			d.notice("the next download starts over: %v", err)
		}
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
func lockFile(path string) (*files.File, error) {
	for range 100 {
		f, err := files.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
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
