package tensorboard

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/declip/declip/internal/files"
)

// node is a field of a protocol buffer, read by the rules of the format alone.
type node struct {
	field, wire int
	number      uint64
	data        []byte
}

func parse(t *testing.T, m []byte) []node {
	t.Helper()
	var list []node
	for len(m) > 0 {
		key, n := binary.Uvarint(m)
		m = m[n:]
		f := node{field: int(key >> 3), wire: int(key & 7)}
		switch f.wire {
		case 0:
			f.number, n = binary.Uvarint(m)
		case 1:
			f.number, n = binary.LittleEndian.Uint64(m), 8
		case 2:
			length, k := binary.Uvarint(m)
			f.data, n = m[k:k+int(length)], k+int(length)
		case 5:
			f.number, n = uint64(binary.LittleEndian.Uint32(m)), 4
		default:
			t.Fatalf("field %d has wire type %d", f.field, f.wire)
		}
		m = m[n:]
		list = append(list, f)
	}
	return list
}

// records splits a file into records by the definition of the framing.
func records(t *testing.T, file []byte) [][]byte {
	t.Helper()
	sum := func(p []byte) uint32 {
		c := crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli))
		return ((c >> 15) | (c << 17)) + 0xa282ead8
	}
	var list [][]byte
	for len(file) > 0 {
		length := int(binary.LittleEndian.Uint64(file))
		data := file[12 : 12+length]
		if got := binary.LittleEndian.Uint32(file[8:]); got != sum(file[:8]) {
			t.Errorf("record %d: the length's checksum is %x", len(list), got)
		}
		if got := binary.LittleEndian.Uint32(file[12+length:]); got != sum(data) {
			t.Errorf("record %d: the data's checksum is %x", len(list), got)
		}
		list = append(list, data)
		file = file[12+length+4:]
	}
	return list
}

func one(t *testing.T, list []node, field, wire int) node {
	t.Helper()
	var found []node
	for _, n := range list {
		if n.field == field && n.wire == wire {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		t.Fatalf("field %d of wire type %d is there %d times in %v, expected once", field, wire, len(found), list)
	}
	return found[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// theFile reads the only event file of a directory.
func theFile(t *testing.T, dir string) []byte {
	t.Helper()
	names, err := Files(dir)
	must(t, err)
	if len(names) != 1 {
		t.Fatalf("got files %v, expected one", names)
	}
	data, err := os.ReadFile(filepath.Join(dir, names[0]))
	must(t, err)
	return data
}

func picture(t *testing.T) []byte {
	p := image.NewRGBA(image.Rect(0, 0, 5, 3))
	p.Set(2, 1, color.RGBA{200, 10, 20, 255})
	var b bytes.Buffer
	must(t, png.Encode(&b, p))
	return b.Bytes()
}

func TestFileFormat(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, nil, 1)
	must(t, err)
	must(t, w.Scalars(7, Scalar{"train/loss", 0.625}, Scalar{"train/rate", 1e-3}))
	must(t, w.Images(9, Image{"samples/a", 5, 3, picture(t)}))
	must(t, w.Close())
	file := theFile(t, dir)
	// What every event file begins with: 24 bytes, the length's checksum, then the time as field 1.
	if want := []byte("\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\"\x09"); !bytes.HasPrefix(file[:13], want) {
		t.Errorf("the file begins with %q, expected %q", file[:13], want)
	}
	list := records(t, file)
	if len(list) != 4 {
		t.Fatalf("got %d records, expected 4", len(list))
	}
	if got := string(one(t, parse(t, list[0]), 3, 2).data); got != "brain.Event:2" {
		t.Errorf("version %q", got)
	}
	if got := one(t, parse(t, one(t, parse(t, list[1]), 7, 2).data), 1, 0).number; got != 1 {
		t.Errorf("session status %d, expected 1", got)
	}
	scalars := parse(t, list[2])
	if got := one(t, scalars, 2, 0).number; got != 7 {
		t.Errorf("step %d, expected 7", got)
	}
	if got := math.Float64frombits(one(t, scalars, 1, 1).number); got < 1.7e9 || got > 1e10 {
		t.Errorf("implausible time %g", got)
	}
	values := parse(t, one(t, scalars, 5, 2).data)
	for i, want := range []Scalar{{"train/loss", 0.625}, {"train/rate", float64(float32(1e-3))}} {
		value := parse(t, values[i].data)
		got := Scalar{string(one(t, value, 1, 2).data), float64(math.Float32frombits(uint32(one(t, value, 2, 5).number)))}
		if got != want {
			t.Errorf("got %v, expected %v", got, want)
		}
	}
	value := parse(t, one(t, parse(t, one(t, parse(t, list[3]), 5, 2).data), 1, 2).data)
	img := parse(t, one(t, value, 4, 2).data)
	for field, want := range map[int]uint64{1: 3, 2: 5, 3: 3} {
		if got := one(t, img, field, 0).number; got != want {
			t.Errorf("field %d of the image is %d, expected %d", field, got, want)
		}
	}
	if decoded, err := png.Decode(bytes.NewReader(one(t, img, 4, 2).data)); err != nil || decoded.Bounds().Dx() != 5 {
		t.Errorf("the picture does not decode: %v", err)
	}
}

// A run that resumes an earlier state removes everything that was written after it.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "events.out.tfevents.0000000001.other")
	must(t, os.WriteFile(other, []byte("another program's"), 0o644))
	w, err := Open(dir, nil, 1)
	must(t, err)
	must(t, w.Scalars(1, Scalar{"x", 1}))
	must(t, w.Scalars(2, Scalar{"x", 2}))
	state := w.Mark()
	must(t, w.Sync())
	must(t, w.Scalars(3, Scalar{"x", 33}))
	must(t, w.Close())

	lost, err := Open(dir, state, 3) // this run ends before it has a state of its own
	must(t, err)
	must(t, lost.Scalars(3, Scalar{"x", 333}))
	must(t, lost.Close())

	last, err := Open(dir, state, 3)
	must(t, err)
	must(t, last.Scalars(3, Scalar{"x", 3}))
	again := last.Mark()
	must(t, last.Close())
	if len(again) != 2 {
		t.Errorf("the mark knows %v, expected two files", again)
	}

	names, err := Files(dir)
	must(t, err)
	var got []Scalar
	var starts []int64
	for _, name := range names {
		events, err := Read(filepath.Join(dir, name))
		must(t, err)
		for _, e := range events {
			got = append(got, e.Scalars...)
			if e.Start {
				starts = append(starts, e.Step)
			}
		}
	}
	if diff := cmp.Diff([]Scalar{{"x", 1}, {"x", 2}, {"x", 3}}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{1, 3}, starts); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("another program's file: %v", err)
	}
}

// A file that was truncated at any length keeps its whole records; the rest is removed.
func TestTruncatedFile(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, nil, 1)
	must(t, err)
	var ends []int64
	for step := range int64(3) {
		must(t, w.Scalars(step, Scalar{"x", float64(step)}))
		ends = append(ends, w.size)
	}
	mark := w.Mark()
	must(t, w.Close())
	whole := theFile(t, dir)
	name, err := Files(dir)
	must(t, err)
	for size := range len(whole) + 1 {
		path := filepath.Join(dir, name[0])
		must(t, os.WriteFile(path, whole[:size], 0o644))
		left, err := Rewind(dir, mark)
		must(t, err)
		data, err := os.ReadFile(path)
		must(t, err)
		records(t, data) // no torn one
		if int64(len(data)) != left[name[0]] || len(data) > size {
			t.Fatalf("of %d bytes, %d are left, the mark says %d", size, len(data), left[name[0]])
		}
		for _, end := range ends {
			if int64(size) >= end && int64(len(data)) < end {
				t.Errorf("%d bytes became %d: an event that ended at %d is lost", size, len(data), end)
			}
		}
	}
	for at := range whole { // a changed byte ends the reading, in order
		bad := bytes.Clone(whole)
		bad[at] ^= 0x40
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, bad, 0o644))
		events, err := Read(path)
		must(t, err)
		if len(events) >= 5 {
			t.Errorf("a change at byte %d went unnoticed", at)
		}
	}
}

func TestWriteFails(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no device that is always full")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	w := &Writer{file: &files.File{File: full}}
	if err := w.Scalars(1, Scalar{"x", 1}); err == nil {
		t.Error("a full disk went unnoticed")
	}
	if w.size != 0 {
		t.Errorf("the writer reports %d bytes", w.size)
	}
}
