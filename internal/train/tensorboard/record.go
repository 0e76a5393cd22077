package tensorboard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the CRC-32C as record files store it: rotated and shifted, so that data that contain
// checksums have no special checksum.
func masked(p []byte) uint32 {
	sum := crc32.Checksum(p, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// Sizes of the parts around a record's data: its length and the length's checksum, and the data's
// checksum.
const (
	headBytes = 12
	tailBytes = 4
)

// maxRecord is the length from which a length counts as damage.
const maxRecord = 1 << 30

// frame makes a record of data: length (8 bytes), its masked CRC-32C (4), data, its masked CRC-32C
// (4), all little-endian.
func frame(data []byte) []byte {
	record := make([]byte, 0, headBytes+len(data)+tailBytes)
	record = binary.LittleEndian.AppendUint64(record, uint64(len(data)))
	record = binary.LittleEndian.AppendUint32(record, masked(record))
	record = append(record, data...)
	return binary.LittleEndian.AppendUint32(record, masked(data))
}

// errDamaged is a record that is truncated or whose checksums are wrong.
var errDamaged = errors.New("damaged record")

// readRecord reads the next record's data; io.EOF at the end of the file, errDamaged if no whole
// record follows.
func readRecord(r io.Reader) ([]byte, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(r, head[:]); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, damaged(err)
	}
	length := binary.LittleEndian.Uint64(head[:8])
	if binary.LittleEndian.Uint32(head[8:]) != masked(head[:8]) || length > maxRecord {
		return nil, errDamaged
	}
	data := make([]byte, length+tailBytes)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, damaged(err)
	}
	data, sum := data[:length], binary.LittleEndian.Uint32(data[length:])
	if sum != masked(data) {
		return nil, errDamaged
	}
	return data, nil
}

// damaged distinguishes a file that ends too early from one that cannot be read.
func damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}

// Read reads the events of a file, up to the first damaged one.
func Read(path string) ([]Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var list []Event
	for {
		data, err := readRecord(r)
		if errors.Is(err, io.EOF) || errors.Is(err, errDamaged) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		e, err := decode(data)
		if err != nil {
			return list, fmt.Errorf("%s: event %d: %w", path, len(list)+1, err)
		}
		list = append(list, e)
	}
}

// wholeLength is the total length of the whole records at the start of a file, at most limit.
func wholeLength(path string, limit int64) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var whole int64
	for {
		data, err := readRecord(r)
		if errors.Is(err, io.EOF) || errors.Is(err, errDamaged) {
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		next := whole + int64(headBytes+len(data)+tailBytes)
		if next > limit {
			return whole, nil
		}
		whole = next
	}
}
