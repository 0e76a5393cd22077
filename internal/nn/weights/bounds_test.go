package weights

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Limits on opening a bad file: the memory allocated in total, of which less than half is in use at
// a time, and the time on a busy machine.
const (
	costLimit = 4 * maxPickle
	timeLimit = 20 * time.Second
)

// checkCost opens a file, which must fail, and checks what that cost.
func checkCost(t *testing.T, r io.ReaderAt, size int64, want string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	_, err := parse("costly", r, size)
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%.300v, expected %q", err, want)
	}
	cost := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d MiB, %v", cost>>20, elapsed.Round(time.Millisecond))
	if cost > costLimit || elapsed > timeLimit {
		t.Errorf("%d MiB and %v, expected at most %d MiB and %v", cost>>20, elapsed, costLimit>>20, timeLimit)
	}
}

// TestPickleCost: pickles that allocate as much as they can with few bytes.
func TestPickleCost(t *testing.T) {
	const many = maxPickle/48 + 1 // opcodes, each of which costs 48 bytes
	long := strings.Repeat("x", 1<<20)
	var puts strings.Builder
	for i := range many {
		puts.WriteString("r" + string([]byte{byte(i), byte(i >> 8), byte(i >> 16), 0}))
	}
	tensor := pTensor(pStorage("FloatStorage", "0", 4), 0, []int64{1}, []int64{1})
	parts := strings.TrimSuffix(tensor, "tR")
	limit := "the pickle needs too much memory"
	for name, c := range map[string]struct{ pickle, want string }{
		"dicts":       {strings.Repeat("}", many), limit},
		"marks":       {strings.Repeat("(", many), limit},
		"tuples":      {strings.Repeat(")\x85", many), limit},
		"deep tuples": {"N" + strings.Repeat("\x85", many), limit},
		"ints":        {strings.Repeat("J\x00\x00\x00\x01", many), limit},
		"texts":       {strings.Repeat(pText(long), maxPickle>>20), limit},
		"short texts": {strings.Repeat("\x8c\x01a", many), limit},
		"names":       {strings.Repeat(pGlobal("torch", "Size"), many), limit},
		"memo":        {"N" + puts.String(), limit},
		"append":      {"]" + strings.Repeat("Na", many), limit},
		"dict of one": {"}" + strings.Repeat("NNs", many), limit},
		// Values made of one memoized value.
		"wide tuples":        {"(" + strings.Repeat("N", 1<<16) + "tq\x00" + strings.Repeat("(h\x00h\x00h\x00t", many), limit},
		"big list":           {"](" + strings.Repeat("N", 1<<16) + "eq\x00" + strings.Repeat("h\x00", many), limit},
		"storages":           {strings.Repeat(pStorage("FloatStorage", "0", 4), 1<<18), limit},
		"tensors":            {strings.Repeat(tensor, 1<<16), limit},
		"one tensor's parts": {parts + "tq\x00" + strings.Repeat(pGlobal("torch._utils", "_rebuild_tensor_v2")+"h\x00R", many), limit},
		"many tensors":       {"](" + tensor + "q\x00" + strings.Repeat("h\x00", maxTensors) + "e", "more than 65536 tensors"},
		"long names":         {"}q\x00(" + nest(pText(strings.Repeat("n", 500))) + "u", limit},
	} {
		t.Run(name, func(t *testing.T) {
			data := legacyFile(c.pickle, pList(pText("0")), legacyFloats)
			checkCost(t, bytes.NewReader(data), int64(len(data)), c.want)
		})
	}
}

// nest is a key and a dict with a large number of keys.
func nest(key string) string {
	var b strings.Builder
	b.WriteString(key + "}(")
	for i := range 1 << 20 {
		b.WriteString(pText(strconv.Itoa(i)) + "N")
	}
	return b.String() + "u"
}

// TestRepeatedRebuild: an OrderedDict takes over the list that it is made of, so that many dicts of
// one long list cost no more than the list.
func TestRepeatedRebuild(t *testing.T) {
	pair := pTuple(pText("a"), "N") + "q\x01"
	list := "](" + pair + strings.Repeat("h\x01", 1<<18) + "e\x85q\x00"
	data := torchZip(t, list+strings.Repeat(pGlobal("collections", "OrderedDict")+"h\x00R", 1<<18), floats)
	checkCost(t, bytes.NewReader(data), int64(len(data)), "values")
}

// TestLongEntryName: a storage is looked up once, even if it is named often.
func TestLongEntryName(t *testing.T) {
	key := strings.Repeat("k", 60000)
	id := pTuple(pText("storage"), pGlobal("torch", "FloatStorage"), pText(key), "N", pInt(0))
	data := torchZip(t, id+"q\x00"+strings.Repeat("h\x00Q", 1<<18)+"N", map[string]string{"data/" + key: ""})
	checkCost(t, bytes.NewReader(data), int64(len(data)), "are left at the end")
}

// TestHeaderCost: a safetensors header with as many tensors as fit into it.
func TestHeaderCost(t *testing.T) {
	var b strings.Builder
	for i := range 250000 {
		fmt.Fprintf(&b, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
	}
	data := raw("{"+b.String()[1:]+"}", nil)
	checkCost(t, bytes.NewReader(data), int64(len(data)), "more than 65536 tensors")
}

// hole is a sparse file of size bytes.
type hole struct {
	size  int64
	parts map[int64]string
}

func (h hole) ReadAt(p []byte, at int64) (int, error) {
	n := int(max(0, min(int64(len(p)), h.size-at)))
	clear(p[:n])
	for start, text := range h.parts {
		if from := start - at; from < int64(n) && from+int64(len(text)) > 0 {
			copy(p[max(0, from):n], text[max(0, -from):])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestHugeClaims: a sparse file can have any size, so that checks of lengths against it succeed.
func TestHugeClaims(t *testing.T) {
	const size = 1 << 50
	end := func(count, length uint64) string {
		record := append([]byte("PK\x06\x06"), make([]byte, 52)...)
		le.PutUint64(record[32:], count)
		le.PutUint64(record[40:], length)
		le.PutUint64(record[48:], size-98-length)
		locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
		le.PutUint64(locator[8:], size-98)
		return string(record) + string(locator) + "PK\x05\x06" + strings.Repeat("\x00", 18)
	}
	for name, c := range map[string]struct {
		parts map[int64]string
		want  string
	}{
		"safetensors":      {map[int64]string{0: "\x00\x00\x00\x00\x00\x00\x01\x00{"}, "at most"},
		"zip directory":    {map[int64]string{0: "PK\x03\x04", size - 98: end(1<<40, 1<<46)}, "at most 16777216 are allowed"},
		"zip count":        {map[int64]string{0: "PK\x03\x04", size - 98: end(1<<40, 1<<24)}, "no entry begins here"},
		"zip of nothing":   {map[int64]string{0: "PK\x03\x04", size - 98: end(1<<40, 0)}, "expected 1099511627776"},
		"legacy":           {map[int64]string{0: legacyHead}, "opcode 0x00 is unknown"},
		"legacy, rest":     {map[int64]string{0: string(legacyFile("}", "]"))}, "bytes after the last storage"},
		"legacy, one text": {map[int64]string{0: legacyHead + "X\xff\xff\xff\x7f"}, "too much memory"},
		"legacy, 48 MiB":   {map[int64]string{0: legacyHead + "X\xff\xff\xff\x02"}, "at byte 50331697: opcode 0x00"},
	} {
		t.Run(name, func(t *testing.T) { checkCost(t, hole{size, c.parts}, size, c.want) })
	}
}

// TestManyEntries: an archive with as many entries as fit its directory.
func TestManyEntries(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 200000 {
		name := string([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		if _, err := z.CreateHeader(&zip.FileHeader{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	checkCost(t, bytes.NewReader(b.Bytes()), int64(b.Len()), "without a data.pkl")
}
