package manifest

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/declip/declip/internal/jobs/store"
)

// Tar lists the pictures in a tar archive: where they begin and how long they are, so that a worker
// reads only what it needs. The pictures themselves are not read.
func (in *Inputs) Tar(ctx context.Context, key string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		info, err := in.Source.Stat(ctx, key)
		if err != nil {
			yield(Item{}, err)
			return
		}
		at := &seeker{ctx: ctx, from: in.Source, key: key, size: info.Size}
		defer at.close()
		archive := tar.NewReader(at)
		for {
			header, err := archive.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(Item{}, fmt.Errorf("%s: %w: %w", key, errArchive, err))
				return
			}
			name := key + "/" + header.Name
			switch {
			case header.Typeflag == tar.TypeDir:
			case header.Typeflag != tar.TypeReg || header.Size == 0 || isSparse(header):
				in.leave(name, ErrNotMember)
			case strings.HasPrefix(path.Base(header.Name), "."):
			case !in.IsPicture(header.Name):
				in.leave(name, ErrNotPicture)
			case !yield(Item{Key: key, Image: name, Offset: at.position(), Size: header.Size}, nil):
				return
			}
		}
	}
}

// isSparse says whether the contents are not stored as they are.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// readAhead is how much of an archive is read at a time, in bytes. Small members are passed over
// within it; behind larger ones, a new range is read.
const readAhead = 256 << 10

// seeker reads an object, and begins a new range of it after a long way forward.
type seeker struct {
	ctx    context.Context
	from   store.Store
	key    string
	size   int64
	offset int64 // of the next byte that Read gives
	body   io.ReadCloser
	reader *bufio.Reader // nil if a range is to be opened
}

func (s *seeker) position() int64 { return s.offset }

func (s *seeker) close() {
	if s.body != nil {
		s.body.Close()
	}
	s.body, s.reader = nil, nil
}

// Read implements io.Reader.
func (s *seeker) Read(p []byte) (int, error) {
	if s.offset >= s.size {
		return 0, io.EOF
	}
	if s.reader == nil {
		body, err := s.from.GetRange(s.ctx, s.key, s.offset, s.size-s.offset)
		if err != nil {
			return 0, err
		}
		s.body, s.reader = body, bufio.NewReaderSize(body, readAhead)
	}
	n, err := s.reader.Read(p)
	s.offset += int64(n)
	return n, err
}

// Seek implements io.Seeker, as package tar needs it to pass over a member's contents.
func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	to := offset
	switch whence {
	case io.SeekCurrent:
		to += s.offset
	case io.SeekEnd:
		to += s.size
	}
	if to < 0 || to > s.size {
		return s.offset, fmt.Errorf("%s: cut off: it has %d bytes, expected at least %d", s.key, s.size, to)
	}
	switch way := to - s.offset; {
	case way == 0:
	case way > 0 && way <= readAhead && s.reader != nil:
		n, err := s.reader.Discard(int(way))
		if s.offset += int64(n); err != nil {
			return s.offset, err
		}
	default:
		s.close()
		s.offset = to
	}
	return s.offset, nil
}
