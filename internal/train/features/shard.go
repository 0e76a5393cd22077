package features

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/files"
)

// Names of a shard's files: prefix, name, one of the suffixes.
const (
	prefix      = "features-v1-"
	dataSuffix  = ".data"
	indexSuffix = ".index"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entryBytes is the length of an entry in an index: key, offset (8 bytes), values (4), kind (4),
// checksum of the record (4), of the entry up to here (4), padding.
const entryBytes = 64

const sumAt = 52 // offset of an entry's own checksum

// shard is a pair of files. The process that adds to it holds an exclusive lock on the index. A
// process that reads from it holds a shared lock on the data, from its first record on, so that the
// shard is not removed.
type shard struct {
	name        string
	data, index *files.File
	end         int64 // of the records; used by the writer
	indexEnd    int64 // of the entries read so far

	used atomic.Bool // by this process
}

// entry says where a record is.
type entry struct {
	shard  *shard
	offset int64
	at     int64 // of the entry in the index
	count  int   // values
	kind   uint32
	sum    uint32
}

func (e entry) length() int64 { return int64(e.count) * int64(width(e.kind)) }

// shardName gives the name of the shard that a file belongs to, "" for other files.
func shardName(file string) string {
	for _, suffix := range []string{dataSuffix, indexSuffix} {
		if strings.HasPrefix(file, prefix) && strings.HasSuffix(file, suffix) {
			return strings.TrimSuffix(file, suffix)
		}
	}
	return ""
}

// openShard opens both files, read-only if there is no permission to write.
func openShard(dir, name string) (*shard, error) {
	s := &shard{name: name}
	for file, suffix := range map[**files.File]string{&s.data: dataSuffix, &s.index: indexSuffix} {
		path := filepath.Join(dir, name+suffix)
		f, err := files.OpenFile(path, os.O_RDWR, 0)
		if os.IsPermission(err) {
			f, err = files.OpenFile(path, os.O_RDONLY, 0)
		}
		if err != nil {
			s.close()
			return nil, err
		}
		*file = f
	}
	return s, nil
}

// newShard makes an empty shard that this process adds to.
func newShard(dir string) (*shard, error) {
	var id [8]byte
	rand.Read(id[:])
	s := &shard{name: prefix + hex.EncodeToString(id[:])}
	var err error
	if s.data, err = files.OpenFile(filepath.Join(dir, s.name+dataSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, err
	}
	// Removal must be prevented before the index exists: data without an index count as litter.
	s.use() // before there is an index: data alone would be litter
	s.index, err = files.OpenFile(filepath.Join(dir, s.name+indexSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		err = files.LockExclusive(s.index)
		if errors.Is(err, files.ErrNoLocks) { // no other process can lock it either, so none adds to it
			err = nil
		}
	}
	if err != nil {
		_ = files.Remove(s.data.Name()) // without an index it is litter
		s.close()
		return nil, err
	}
	return s, nil
}

// adopt makes this process the one that adds to a shard, if no other process does and the shard
// still exists. It cuts off the incomplete records of a killed process.
func (s *shard) adopt(take func()) bool {
	if files.LockExclusive(s.index) != nil {
		return false
	}
	take() // what was added before it was locked
	there, err := os.Stat(s.index.Name())
	mine, err2 := s.index.Stat()
	ok := err == nil && err2 == nil && os.SameFile(there, mine) &&
		s.index.Truncate(mine.Size()/entryBytes*entryBytes) == nil && s.data.Truncate(s.end) == nil
	if !ok {
		files.Unlock(s.index)
		return false
	}
	s.indexEnd = mine.Size() / entryBytes * entryBytes
	s.use()
	return true
}

// release lets other processes add.
func (s *shard) release() { files.Unlock(s.index) }

// use prevents the shard's removal and marks it as used.
func (s *shard) use() {
	if !s.used.Load() && !s.used.Swap(true) {
		_ = files.LockShared(s.data) // one that is being removed stays readable to us
		s.touch()
	}
}

// touch sets the time by which the least recently used shards are found.
func (s *shard) touch() {
	if s.index != nil {
		now := time.Now()
		_ = os.Chtimes(s.index.Name(), now, now)
	}
}

// add writes a record, then its entry. After an error the files are unchanged.
func (s *shard) add(key Key, data []byte, count int, kind uint32) (entry, error) {
	e := entry{shard: s, offset: s.end, at: s.indexEnd, count: count, kind: kind, sum: crc32.Checksum(data, castagnoli)}
	_, err := s.data.WriteAt(data, s.end)
	if err == nil {
		_, err = s.index.WriteAt(e.bytes(key), s.indexEnd)
	}
	if err != nil {
		_ = s.index.Truncate(s.indexEnd)
		_ = s.data.Truncate(s.end)
		return entry{}, err
	}
	s.end += int64(len(data))
	s.indexEnd += entryBytes
	return e, nil
}

func (e entry) bytes(key Key) []byte {
	b := make([]byte, 0, entryBytes)
	b = append(b, key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.count))
	b = binary.LittleEndian.AppendUint32(b, e.kind)
	b = binary.LittleEndian.AppendUint32(b, e.sum)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:entryBytes]
}

// readEntry is the reverse of bytes; false for an invalid or removed entry.
func readEntry(b []byte) (Key, entry, bool) {
	if binary.LittleEndian.Uint32(b[sumAt:]) != crc32.Checksum(b[:sumAt], castagnoli) {
		return Key{}, entry{}, false
	}
	e := entry{
		offset: int64(binary.LittleEndian.Uint64(b[32:])), count: int(binary.LittleEndian.Uint32(b[40:])),
		kind: binary.LittleEndian.Uint32(b[44:]), sum: binary.LittleEndian.Uint32(b[48:]),
	}
	return Key(b), e, e.offset >= 0 && width(e.kind) > 0
}

// invalidate overwrites an entry so that it is invalid.
func (s *shard) invalidate(e entry) { _, _ = s.index.WriteAt(make([]byte, entryBytes), e.at) }

// entries calls each for the entries added to the index since the last call, except a last one that
// may be incomplete.
func (s *shard) entries(each func(Key, entry)) error {
	info, err := s.index.Stat()
	if err != nil || info.Size() <= s.indexEnd {
		return err
	}
	stored, err := s.data.Stat()
	if err != nil {
		return err
	}
	text := make([]byte, (info.Size()-s.indexEnd)/entryBytes*entryBytes)
	if _, err := s.index.ReadAt(text, s.indexEnd); err != nil {
		return err
	}
	for ; len(text) > 0; text = text[entryBytes:] {
		key, e, ok := readEntry(text)
		if !ok && len(text) == entryBytes && !allZero(text) {
			return nil
		}
		e.shard, e.at = s, s.indexEnd
		s.indexEnd += entryBytes
		if ok && e.offset+e.length() <= stored.Size() {
			each(key, e)
			s.end = max(s.end, e.offset+e.length())
		}
	}
	return nil
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// read checks a record and decodes it.
func (e entry) read(dst []float32) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if n := int(e.length()); cap(*buffer) < n {
		*buffer = make([]byte, n)
	}
	data := (*buffer)[:e.length()]
	if _, err := e.shard.data.ReadAt(data, e.offset); err != nil {
		return fmt.Errorf("%s%s: %w", e.shard.name, dataSuffix, err)
	}
	if sum := crc32.Checksum(data, castagnoli); sum != e.sum {
		return fmt.Errorf("%s%s: the record at byte %d is damaged", e.shard.name, dataSuffix, e.offset)
	}
	decode(dst, data, e.kind)
	return nil
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (s *shard) close() {
	for _, f := range []*files.File{s.data, s.index} {
		if f != nil {
			f.Close() // with its locks
		}
	}
}
