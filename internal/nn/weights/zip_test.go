package weights

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// directoryEntry returns the offset of a named entry in an archive's directory.
func directoryEntry(t *testing.T, data []byte, name string) int {
	t.Helper()
	for at := range data {
		if bytes.HasPrefix(data[at:], []byte("PK\x01\x02")) && bytes.HasPrefix(data[at+46:], []byte(name)) {
			return at
		}
	}
	t.Fatalf("no %q in the directory", name)
	return 0
}

// patched is a valid archive with one change.
func patched(t *testing.T, change func(data []byte) []byte) []byte {
	t.Helper()
	return change(torchZip(t, pDict(pText("a"), aTensor()), floats))
}

func TestZipRefuses(t *testing.T) {
	const numbers, pickled = "archive/data/0", "archive/data.pkl"
	// field sets bytes of an entry in the directory.
	field := func(name string, at int, value ...byte) func([]byte) []byte {
		return func(data []byte) []byte {
			copy(data[directoryEntry(t, data, name)+at:], value)
			return data
		}
	}
	// end sets bytes of the record at the end.
	end := func(at int, value ...byte) func([]byte) []byte {
		return func(data []byte) []byte {
			copy(data[len(data)-22+at:], value)
			return data
		}
	}
	ff := []byte{0xff, 0xff, 0xff, 0xff}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"compressed numbers": {field(numbers, 10, 8), `entry "archive/data/0" is compressed (method 8)`},
		"compressed pickle":  {field(pickled, 10, 8), `entry "archive/data.pkl" is compressed`},
		"encrypted":          {field(numbers, 8, 1), "is encrypted"},
		"sizes differ":       {field(numbers, 20, 15), "has 16 bytes, but 15 are stored"},
		"too long":           {field(numbers, 20, 0xff, 0, 0, 0, 0xff), "is outside the archive"},
		"far too long":       {field(numbers, 20, 0xff, 0xff, 0, 0, 0xff, 0xff), "are outside the archive"},
		"too short":          {field(numbers, 20, 15, 0, 0, 0, 15), "takes 16 bytes, but has 15"},
		"elsewhere":          {field(numbers, 42, 1), "is not where the directory says"},
		"beyond":             {field(numbers, 42, 0xff, 0xff), "are outside the archive"},
		"at the end":         {field(numbers, 42, 0xf0, 0), "the directory says"},
		"wide without extra": {field(numbers, 42, ff...), "64-bit sizes are missing"},
		"checksum":           {field(pickled, 16, 1, 2, 3, 4), "is damaged: its checksum is"},
		"extra":              {field(numbers, 30, 0xff, 0xff), "truncated"},
		"signature":          {field(numbers, 0, 'P', 'K', 3, 4), "no entry begins here"},
		"other name":         {field(numbers, 46+8, 'x'), `no entry "archive/data/0"`},
		"count":              {end(10, 3), "2 entries in the directory, expected 3"},
		"directory's length": {end(12, ff...), "a directory of 4294967295 bytes"},
		"directory's place":  {end(16, 1), "expected its end"},
		"no end":             {end(0, 'x'), "no directory at the end"},
		"bytes after":        {func(data []byte) []byte { return append(data, "rest"...) }, "no directory at the end"},
	} {
		t.Run(name, func(t *testing.T) { checkRefused(t, FormatPyTorch, patched(t, c.change), c.want) })
	}
}

// TestZipNames: the format depends on the entries of an archive.
func TestZipNames(t *testing.T) {
	for want, names := range map[string][]string{
		"without a data.pkl":                    {"archive/other", "data.pkl", "a/b/data.pkl"},
		`both "a/" and "b/" contain a data.pkl`: {"a/data.pkl", "b/data.pkl"},
		"before PyTorch 1.4":                    {"a/model.json", "a/tensors/0"},
		`"a/data.pkl" appears twice`:            {"a/data.pkl", "a/data.pkl"},
		`byte order "big"; only little-endian`:  {"a/data.pkl", "a/byteorder"},
	} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, map[string]string{"a/byteorder": "big"}[name]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		checkRefused(t, FormatPyTorch, b.Bytes(), want)
	}
	entries := maps.Clone(floats)
	entries["byteorder"] = "little"
	if _, err := OpenBytes("little", torchZip(t, pDict(pText("a"), aTensor()), entries)); err != nil {
		t.Error(err)
	}
}

// TestZipComment: an archive may end with a comment, even one that looks like an end record.
func TestZipComment(t *testing.T) {
	data := torchZip(t, pDict(pText("a"), aTensor()), floats)
	comment := "PK\x05\x06" + strings.Repeat("\xff", 40)
	data[len(data)-2] = byte(len(comment))
	f, err := OpenBytes("comment", append(data, comment...))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) {
		t.Errorf("%v, %v; expected 2, 3", v, err)
	}
}

// zip64 is an archive with data.pkl at its beginning and numbers at an offset that may exceed 32
// bits, all sizes in 64 bits as PyTorch writes them.
func zip64(pickle, numbers string, at int64) (hole, int64) {
	file := hole{parts: map[int64]string{}}
	var directory []byte
	add := func(name, contents string, at int64) {
		local := make([]byte, 30)
		le.PutUint32(local, zipLocal)
		le.PutUint16(local[26:], uint16(len(name)))
		le.PutUint16(local[28:], 5) // padding
		file.parts[at] = string(local) + name + "FB\x01\x00Z" + contents
		central := make([]byte, 46)
		le.PutUint32(central, zipCentral)
		le.PutUint32(central[16:], crc32.ChecksumIEEE([]byte(contents)))
		le.PutUint16(central[28:], uint16(len(name)))
		le.PutUint16(central[30:], 4+24+6)
		directory = append(append(directory, central...), name...)
		for _, i := range []int{20, 24, 42} {
			copy(directory[len(directory)-len(name)-46+i:], "\xff\xff\xff\xff")
		}
		directory = append(directory, "FB\x02\x00ZZ\x01\x00\x18\x00"...)
		for _, v := range []int{len(contents), len(contents), int(at)} {
			directory = le.AppendUint64(directory, uint64(v))
		}
	}
	add("archive/data.pkl", "\x80\x02"+pickle+".", 0)
	add("archive/data/0", numbers, at)
	start := at + 1000
	record := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	le.PutUint64(record[32:], 2)
	le.PutUint64(record[40:], uint64(len(directory)))
	le.PutUint64(record[48:], uint64(start))
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	le.PutUint64(locator[8:], uint64(start)+uint64(len(directory)))
	end := append([]byte("PK\x05\x06\x00\x00\x00\x00"), bytes.Repeat([]byte{0xff}, 12)...)
	file.parts[start] = string(slices.Concat(directory, record, locator, end, []byte{0, 0}))
	file.size = start + int64(len(file.parts[start]))
	return file, start
}

// TestFarNumbers reads tensors beyond 4 GiB.
func TestFarNumbers(t *testing.T) {
	const far = 5 << 30
	object := pDict(pText("a"), aTensor())
	archive, _ := zip64(object, floats["data/0"], far)

	count := int64(far / 4)
	two := pDict(pText("first"), pTensor(pStorage("FloatStorage", "x", count), count-1, []int64{1}, []int64{1}), pText("a"), aTensor())
	head := string(legacyFile(two, pList(pText("x"), pText("0")))) + string(le.AppendUint64(nil, uint64(count)))
	legacy := hole{int64(len(head)) + far, map[int64]string{0: head, int64(len(head)) + far: legacyFloats}}
	legacy.size += int64(len(legacyFloats))

	for name, file := range map[string]hole{"zip": archive, "legacy": legacy} {
		f, err := parse(name, file, file.size)
		if err != nil {
			t.Error(err)
			continue
		}
		v, err := f.Float32s("a")
		if tensor, _ := f.Tensor("a"); err != nil || !slices.Equal(v, []float32{2, 3}) || tensor.Offset < far {
			t.Errorf("%s: %v, %v at %d; expected 2, 3", name, v, err, tensor.Offset)
		}
	}
}

// TestZip64 checks that archives with wrong 64-bit sizes are refused.
func TestZip64(t *testing.T) {
	file, start := zip64(pDict(pText("a"), aTensor()), floats["data/0"], 500)
	whole := make([]byte, file.size)
	if err := readFull(file, whole, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBytes("zip64", whole); err != nil {
		t.Fatal(err)
	}
	record := len(whole) - 22 - 20 - 56
	locator := record + 56
	extra := directoryEntry(t, whole, "archive/data/0") + 46 + len("archive/data/0") + 6
	if int(start) > extra {
		t.Fatal("the directory is not where it should be")
	}
	for name, c := range map[string]struct {
		at    int
		value byte
		want  string
	}{
		"record's place":        {locator + 15, 0x7f, "the directory's end is at byte"},
		"record's place, a bit": {locator + 8, byte(record) - 1, "64-bit end is missing"},
		"record":                {record, 'x', "64-bit end is missing"},
		"count":                 {record + 32, 9, "expected 9"},
		"count, huge":           {record + 39, 0xff, "2 entries in the directory"},
		"length":                {record + 47, 0xff, "a directory of"},
		"place":                 {record + 55, 0xff, "a directory of"},
		"size":                  {extra + 4 + 7, 0xff, "are outside"},
		"packed":                {extra + 12 + 7, 0xff, "are outside"},
		"header":                {extra + 20 + 7, 0xff, "are outside"},
		"extra, short":          {extra + 2, 16, "64-bit sizes are missing"},
		"extra, long":           {extra + 2, 40, "extra fields are truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := slices.Clone(whole)
			bad[c.at] = c.value
			checkRefused(t, FormatPyTorch, bad, c.want)
		})
	}
}
