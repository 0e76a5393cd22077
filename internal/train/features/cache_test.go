package features

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/weights"
)

// values are those of record i in all tests: as many as requested, different from all others.
func values(i, want int) []float32 {
	r := rand.New(rand.NewPCG(uint64(i), 5))
	v := make([]float32, want)
	for k := range v {
		v[k] = float32(r.NormFloat64())
	}
	return v
}

func key(i int) Key { return PictureHash{}.Key(fmt.Sprint(i)) }

const small = 64 // values of a record

func open(t testing.TB, o Options) *Cache {
	t.Helper()
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// check counts which of n records exist, and fails if one of them is wrong.
func check(t testing.TB, c *Cache, n int) int {
	t.Helper()
	found := 0
	got := make([]float32, small)
	for i := range n {
		if !c.Get(key(i), got) {
			continue
		}
		found++
		if !slices.Equal(got, values(i, small)) {
			t.Fatalf("record %d is wrong", i)
		}
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	c := open(t, Options{Dir: dir})
	exact := []float32{0, float32(math.Copysign(0, -1)), 1e-40, 3.4e38, -1. / 3, 65504}
	large := []float32{1. / 3, 70000}
	c.Put(key(1), exact, false)
	c.Put(key(2), values(2, 1000), true)
	c.Put(key(3), large, true)
	for range 2 { // as it was written, and as it was opened again
		got := make([]float32, len(exact))
		if !c.Get(key(1), got) {
			t.Fatal("a record is missing")
		}
		for i := range exact {
			if math.Float32bits(got[i]) != math.Float32bits(exact[i]) {
				t.Errorf("value %d is %g, expected %g", i, got[i], exact[i])
			}
		}
		halves, rounded := make([]float32, 1000), values(2, 1000)
		RoundToHalf(rounded)
		if !c.Get(key(2), halves) || !slices.Equal(halves, rounded) || slices.Equal(rounded, values(2, 1000)) {
			t.Error("a record of halves is not what Round gives")
		}
		two, kept := make([]float32, 2), slices.Clone(large)
		RoundToHalf(kept)
		if !c.Get(key(3), two) || !slices.Equal(two, large) || !slices.Equal(kept, large) {
			t.Errorf("a record with a value too large for a half is %v, rounded %v, expected %v", two, kept, large)
		}
		if c.Get(key(4), two) || c.Get(key(1), two) {
			t.Error("found a record that is not there, or not of this length")
		}
		c.Close()
		c = open(t, Options{Dir: dir})
	}
	if names, err := shardNames(dir); err != nil || len(names) != 1 {
		t.Errorf("got shards %v, %v, expected one", names, err)
	}
}

func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		want := weights.FromHalf(uint16(h))
		if got := fromHalf(uint16(h)); h>>10&31 != 31 && math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("half %#04x is %g, expected %g", h, got, want)
		}
	}
}

// Equal pixels are one picture; another picture, layer or backbone is another key.
func TestKeys(t *testing.T) {
	pixels := values(1, 5000)
	p := HashPicture(pixels)
	if p != HashPicture(slices.Clone(pixels)) {
		t.Error("equal pixels are two pictures")
	}
	for _, i := range []int{0, 4095, 4096, 4999} {
		other := slices.Clone(pixels)
		other[i] = math.Nextafter32(other[i], 9)
		if p == HashPicture(other) {
			t.Errorf("pixel %d does not count", i)
		}
	}
	keys := map[Key]bool{}
	for _, parts := range [][]string{{"a", "bc"}, {"ab", "c"}, {"abc"}, {"abc", ""}, {"", "abc"}} {
		keys[p.Key(parts...)] = true
	}
	if len(keys) != 5 {
		t.Errorf("five keys are %d", len(keys))
	}
}

// filled is a closed cache with n records.
func filled(t *testing.T, n int) (dir, data, index string) {
	t.Helper()
	dir = t.TempDir()
	c := open(t, Options{Dir: dir})
	for i := range n {
		c.Put(key(i), values(i, small), false)
	}
	c.Close()
	names, err := shardNames(dir)
	must(t, err)
	if len(names) != 1 {
		t.Fatalf("got shards %v, expected one", names)
	}
	return dir, filepath.Join(dir, names[0]+dataSuffix), filepath.Join(dir, names[0]+indexSuffix)
}

// A changed byte anywhere makes a record missing, not wrong; after it is added again, all processes
// find it.
func TestDamage(t *testing.T) {
	const n = 5
	dir, data, index := filled(t, n)
	intact := map[string][]byte{}
	for _, path := range []string{data, index} {
		var err error
		intact[path], err = os.ReadFile(path)
		must(t, err)
	}
	for path, whole := range intact {
		step := map[string]int{data: 13, index: 1}[path]
		for at := 0; at < len(whole); at += step {
			for file, content := range intact {
				content = bytes.Clone(content)
				if file == path {
					content[at] ^= 0x10
				}
				must(t, os.WriteFile(file, content, 0o644))
			}
			var warnings []string
			c := open(t, Options{Dir: dir, Warn: func(err error) { warnings = append(warnings, err.Error()) }})
			found := check(t, c, n)
			padding := path == index && at%entryBytes >= sumAt+4
			if found != n-1 && !padding {
				t.Fatalf("byte %d of %s: %d of %d records are found", at, filepath.Ext(path), found, n)
			}
			if path == data && (len(warnings) != 1 || !strings.Contains(warnings[0], "damaged")) {
				t.Fatalf("got warnings %q", warnings)
			}
			for i := range n {
				c.Put(key(i), values(i, small), false)
			}
			if found := check(t, c, n); found != n {
				t.Fatalf("byte %d of %s: after mending, %d of %d records are found", at, filepath.Ext(path), found, n)
			}
			c.Close()
			c = open(t, Options{Dir: dir})
			if found := check(t, c, n); found != n {
				t.Fatalf("byte %d of %s: opened after mending, %d of %d records are found", at, filepath.Ext(path), found, n)
			}
			c.Close()
		}
	}
}

// Files may end anywhere, as after a power failure.
func TestTruncatedFiles(t *testing.T) {
	const n = 3
	dir, data, index := filled(t, n)
	records, err := os.ReadFile(data)
	must(t, err)
	entries, err := os.ReadFile(index)
	must(t, err)
	try := func(keepData, keepIndex int) {
		must(t, os.WriteFile(data, records[:keepData], 0o644))
		must(t, os.WriteFile(index, entries[:keepIndex], 0o644))
		c := open(t, Options{Dir: dir})
		if found, want := check(t, c, n), min(keepData/(4*small), keepIndex/entryBytes); found != want {
			t.Fatalf("%d bytes of data, %d of index: %d records are found, expected %d", keepData, keepIndex, found, want)
		}
		for i := range n {
			c.Put(key(i), values(i, small), false)
		}
		c.Close()
		c = open(t, Options{Dir: dir})
		if found := check(t, c, n); found != n {
			t.Fatalf("%d bytes of data, %d of index: mended, %d records are found, expected %d", keepData, keepIndex, found, n)
		}
		c.Close()
	}
	for keep := 0; keep <= len(records); keep += 11 {
		try(keep, len(entries))
	}
	for keep := range entries {
		try(len(records), keep)
	}
}

// Two open caches of one directory, as two processes have them, find each other's records at once.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, Options{Dir: dir}), open(t, Options{Dir: dir})
	const n = 200
	var both sync.WaitGroup
	for first, c := range []*Cache{a, b} {
		both.Go(func() {
			for i := first; i < n; i += 2 {
				c.Put(key(i), values(i, small), false)
				check(t, c, 3)
			}
		})
	}
	both.Wait()
	time.Sleep(refreshEvery + 100*time.Millisecond) // for the other's shard to be looked for
	for _, c := range []*Cache{a, b, open(t, Options{Dir: dir})} {
		if found := check(t, c, n); found != n {
			t.Errorf("found %d records, expected %d", found, n)
		}
	}
	if names, _ := shardNames(dir); len(names) != 2 {
		t.Errorf("got shards %v, expected one for each", names)
	}
	a.Put(key(n), values(n, small), false)
	if check(t, b, n+1) != n+1 {
		t.Error("what the one adds to a known shard is not found by the other")
	}
	// Known to one, so not stored by the other again.
	before, _ := Inspect(dir)
	b.Put(key(n), values(n, small), false)
	if after, _ := Inspect(dir); after != before {
		t.Errorf("a record that is there was stored again: %+v, then %+v", before, after)
	}
}

func size(t *testing.T, dir string) int64 {
	t.Helper()
	_, total := shardSizes(dir)
	return total
}

// A full cache frees unused shards; used ones stay, and then nothing more is added.
func TestBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 1 << 20
	const length = 4096 // values: 16 KiB
	c := open(t, Options{Dir: dir, Size: limit})
	put := func(c *Cache, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			c.Put(key(i), values(i, length), false)
			if total := size(t, dir); total > limit {
				t.Fatalf("the cache holds %d bytes, at most %d were allowed", total, limit)
			}
		}
	}
	count := func(c *Cache, from, to int) (found int) {
		got := make([]float32, length)
		for i := from; i < to; i++ {
			if c.Get(key(i), got) {
				found++
			}
		}
		return found
	}
	var warnings []string
	c.options.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	put(c, 0, 100)
	first := count(c, 0, 100)
	if first < 50 || first > 64 { // 64 without the indexes
		t.Errorf("%d records of 16 KiB are in a MiB", first)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "full") {
		t.Errorf("got warnings %q, expected one", warnings)
	}
	if c.Stats() != (Stats{Hits: int64(first), Misses: int64(100 - first), Added: int64(first)}) {
		t.Errorf("got %+v", c.Stats())
	}
	// While the first is open its records stay: another run gets no room.
	other := open(t, Options{Dir: dir, Size: limit})
	put(other, 1000, 1010)
	if count(c, 0, 100) != first || count(other, 1000, 1010) != 0 {
		t.Error("records that a running process uses were put out")
	}
	c.Close()
	other.Close()
	// Afterwards the oldest go, whole shards at a time, but not all.
	last := open(t, Options{Dir: dir, Size: limit})
	put(last, 2000, 2010)
	if got := count(last, 2000, 2010); got != 10 {
		t.Errorf("%d of 10 new records are there", got)
	}
	if kept := count(last, 0, 100); kept < first/2 || kept >= first {
		t.Errorf("%d of %d old records are left", kept, first)
	}
}

func TestInfoAndClear(t *testing.T) {
	dir := t.TempDir()
	if info, err := Inspect(filepath.Join(dir, "none")); err != nil || info.Shards != 0 {
		t.Errorf("no folder: got %+v, %v", info, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("x"), 0o644))
	c := open(t, Options{Dir: dir})
	for i := range 7 {
		c.Put(key(i), values(i, small), false)
	}
	info, err := Inspect(dir)
	if want := (Info{dir, 1, 7, 7 * (4*small + entryBytes)}); err != nil || info != want {
		t.Errorf("got %+v, %v, expected %+v", info, err, want)
	}
	if removed, inUse, err := Clear(dir); err != nil || inUse != 1 || removed.Shards != 0 {
		t.Errorf("in use: removed %+v, in use %d, %v", removed, inUse, err)
	}
	if check(t, c, 7) != 7 {
		t.Error("records in use were removed")
	}
	c.Close()
	if removed, inUse, err := Clear(dir); err != nil || inUse != 0 || removed.Shards != 1 || removed.Bytes != info.Bytes {
		t.Errorf("removed %+v, in use %d, %v", removed, inUse, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 { // the tag and what is not ours
		t.Errorf("left are %v", left)
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	if _, err := Open(DefaultOptions(filepath.Join(file, "below"))); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, expected an error with the path", err)
	}
}

// The disk's reserve is kept.
func TestReserve(t *testing.T) {
	if _, known := files.FreeSpace("."); !known {
		t.Skip("free space is not known here")
	}
	var warnings []string
	c, err := Open(Options{Dir: t.TempDir(), Size: DefaultSize, Reserve: 1 << 60, Warn: func(err error) { warnings = append(warnings, err.Error()) }})
	must(t, err)
	defer c.Close()
	c.Put(key(1), values(1, small), false)
	if c.Get(key(1), make([]float32, small)) || len(warnings) != 1 || !strings.Contains(warnings[0], "must stay free") {
		t.Errorf("got warnings %q", warnings)
	}
}
