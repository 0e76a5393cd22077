package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The zip directory is not read with archive/zip, which allocates memory for as many entries as a
// file claims to have; a sparse file can claim any number.

// maxDirectory is the longest zip directory that is read, in bytes. It has room for 200,000
// entries.
const maxDirectory = 16 << 20

const (
	zipLocal     = 0x04034b50 // an entry, in front of its contents
	zipCentral   = 0x02014b50 // an entry in the directory
	zipEnd       = 0x06054b50
	zip64End     = 0x06064b50
	zip64Locator = 0x07064b50
)

// zipEntry is a file in a zip archive.
type zipEntry struct {
	header       int64 // where the entry begins in the archive
	size, packed int64
	method, bits uint16
	crc          uint32
}

// zipArchive is a zip archive's directory. Contents are read only on request.
type zipArchive struct {
	reader  io.ReaderAt
	names   []string // in the directory's order
	entries map[string]zipEntry
	end     int64 // of the entries: the directory begins here
}

// openZip reads the directory of an archive of size bytes.
func openZip(r io.ReaderAt, size int64) (*zipArchive, error) {
	count, start, length, err := findDirectory(r, size)
	if err != nil {
		return nil, err
	}
	if length > maxDirectory {
		return nil, fmt.Errorf("a directory of %d bytes, at most %d are allowed", length, maxDirectory)
	}
	directory := make([]byte, length)
	if err := readFull(r, directory, start); err != nil {
		return nil, err
	}
	z := &zipArchive{reader: r, entries: map[string]zipEntry{}, end: start}
	for len(directory) > 0 {
		if directory, err = z.addEntry(directory); err != nil {
			return nil, fmt.Errorf("entry %d of the directory: %w", len(z.names), err)
		}
	}
	if uint64(len(z.names)) != count {
		return nil, fmt.Errorf("%d entries in the directory, expected %d", len(z.names), count)
	}
	return z, nil
}

// findDirectory reads the records at the end of the archive: how many entries the directory has,
// where it begins and how long it is. The directory is within the file.
func findDirectory(r io.ReaderAt, size int64) (count uint64, start, length int64, err error) {
	const endLength, locatorLength, maxComment = 22, 20, 1<<16 - 1
	tail := make([]byte, min(size, endLength+maxComment+locatorLength))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return 0, 0, 0, err
	}
	at := len(tail) - endLength
	for ; at >= 0; at-- {
		if le.Uint32(tail[at:]) == zipEnd && int(le.Uint16(tail[at+20:])) == len(tail)-at-endLength {
			break
		}
	}
	if at < 0 {
		return 0, 0, 0, errors.New("no directory at the end: the file is truncated")
	}
	limit := size - int64(len(tail)-at) // the directory ends before this byte
	count = uint64(le.Uint16(tail[at+10:]))
	bytes, begin := uint64(le.Uint32(tail[at+12:])), uint64(le.Uint32(tail[at+16:]))
	if at >= locatorLength && le.Uint32(tail[at-locatorLength:]) == zip64Locator {
		where := le.Uint64(tail[at-locatorLength+8:])
		var record [56]byte
		limit -= locatorLength + int64(len(record))
		if limit < 0 || where > uint64(limit) {
			return 0, 0, 0, fmt.Errorf("the directory's end is at byte %d of %d", where, size)
		}
		limit = int64(where)
		if err := readFull(r, record[:], limit); err != nil {
			return 0, 0, 0, err
		}
		if le.Uint32(record[:]) != zip64End {
			return 0, 0, 0, errors.New("the directory's 64-bit end is missing")
		}
		count, bytes, begin = le.Uint64(record[32:]), le.Uint64(record[40:]), le.Uint64(record[48:])
	}
	if bytes > uint64(limit) || begin != uint64(limit)-bytes {
		return 0, 0, 0, fmt.Errorf("a directory of %d bytes at byte %d, expected its end at byte %d", bytes, begin, limit)
	}
	return count, int64(begin), int64(bytes), nil
}

// addEntry reads the first entry of the rest of a directory and returns what follows it.
func (z *zipArchive) addEntry(b []byte) ([]byte, error) {
	const fixed = 46
	if len(b) < fixed || le.Uint32(b) != zipCentral {
		return nil, errors.New("no entry begins here")
	}
	nameEnd := fixed + int(le.Uint16(b[28:]))
	extraEnd := nameEnd + int(le.Uint16(b[30:]))
	end := extraEnd + int(le.Uint16(b[32:]))
	if end > len(b) {
		return nil, errors.New("it is truncated")
	}
	sizes := []uint64{uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[20:])), uint64(le.Uint32(b[42:]))}
	if err := widen(sizes, b[nameEnd:extraEnd]); err != nil {
		return nil, err
	}
	size, packed, header := sizes[0], sizes[1], sizes[2]
	if header >= uint64(z.end) || packed > uint64(z.end) || size > maxBytes {
		return nil, fmt.Errorf("%d bytes packed as %d at byte %d are outside the archive", size, packed, header)
	}
	name := string(b[fixed:nameEnd])
	if _, ok := z.entries[name]; ok {
		return nil, fmt.Errorf("%q appears twice", name)
	}
	z.names = append(z.names, name)
	z.entries[name] = zipEntry{
		header: int64(header), size: int64(size), packed: int64(packed),
		bits: le.Uint16(b[8:]), method: le.Uint16(b[10:]), crc: le.Uint32(b[16:]),
	}
	return b[end:], nil
}

// widen replaces an entry's size, packed size and offset, where they do not fit 32 bits, by the
// values in its 64-bit extra field.
func widen(sizes []uint64, extra []byte) error {
	var wide []byte
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return errors.New("its extra fields are truncated")
		}
		if id == 1 {
			wide = extra[:n]
			break
		}
		extra = extra[n:]
	}
	for i, v := range sizes {
		if v != 0xffffffff {
			continue
		}
		if len(wide) < 8 {
			return errors.New("its 64-bit sizes are missing")
		}
		sizes[i], wide = le.Uint64(wide), wide[8:]
	}
	return nil
}

// locate returns the offset of an entry's contents in the file and their length in bytes. The
// contents must be stored uncompressed.
func (z *zipArchive) locate(name string) (start, size int64, err error) {
	e, ok := z.entries[name]
	switch {
	case !ok:
		return 0, 0, fmt.Errorf("no entry %q", name)
	case e.bits&1 != 0:
		return 0, 0, fmt.Errorf("entry %q is encrypted", name)
	case e.method != 0:
		return 0, 0, fmt.Errorf("entry %q is compressed (method %d), expected it stored", name, e.method)
	case e.size != e.packed:
		return 0, 0, fmt.Errorf("entry %q has %d bytes, but %d are stored", name, e.size, e.packed)
	}
	const fixed = 30
	local := make([]byte, fixed+len(name))
	if e.header > z.end-int64(len(local)) {
		return 0, 0, fmt.Errorf("entry %q is outside the archive", name)
	}
	if err := readFull(z.reader, local, e.header); err != nil {
		return 0, 0, err
	}
	nameLength, extraLength := int(le.Uint16(local[26:])), int(le.Uint16(local[28:]))
	if le.Uint32(local) != zipLocal || nameLength != len(name) || !bytes.Equal(local[fixed:], []byte(name)) {
		return 0, 0, fmt.Errorf("entry %q is not where the directory says", name)
	}
	start = e.header + int64(len(local)+extraLength)
	if start > z.end || e.size > z.end-start {
		return 0, 0, fmt.Errorf("entry %q, %d bytes at byte %d, is outside the archive", name, e.size, start)
	}
	return start, e.size, nil
}

// open returns a reader of an entry's contents, and a function that reads the rest and compares the
// checksum.
func (z *zipArchive) open(name string) (io.Reader, func() error, error) {
	start, size, err := z.locate(name)
	if err != nil {
		return nil, nil, err
	}
	sum := crc32.NewIEEE()
	r := io.TeeReader(io.NewSectionReader(z.reader, start, size), sum)
	return r, func() error {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		if got, want := sum.Sum32(), z.entries[name].crc; got != want {
			return fmt.Errorf("entry %q is damaged: its checksum is %08x, expected %08x", name, got, want)
		}
		return nil
	}, nil
}

var le = binary.LittleEndian
