package features

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A clock that is set back leaves shards whose last use is in the future. They are read, and still
// make room.
func TestTimesInTheFuture(t *testing.T) {
	dir := t.TempDir()
	const limit, length = 1 << 20, 4096
	c := open(t, Options{Dir: dir, Size: limit})
	for i := range 50 {
		c.Put(key(i), values(i, length), false)
	}
	must(t, c.Close())
	indexes, err := filepath.Glob(filepath.Join(dir, "*"+indexSuffix))
	must(t, err)
	if len(indexes) < 2 {
		t.Fatalf("%d shards, expected several", len(indexes))
	}
	future := time.Now().Add(time.Hour)
	for _, index := range indexes {
		must(t, os.Chtimes(index, future, future))
	}
	again := open(t, Options{Dir: dir, Size: limit})
	got := make([]float32, length)
	for i := 50; i < 80; i++ {
		again.Put(key(i), values(i, length), false)
		if !again.Get(key(i), got) || got[0] != values(i, length)[0] {
			t.Fatalf("record %d has found no room", i)
		}
	}
}
