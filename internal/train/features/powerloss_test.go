package features

import (
	"testing"

	"github.com/declip/declip/internal/files/powerloss"
)

// After a power failure at any time, each record is right or absent, and the cache takes records
// again.
func TestPowerLoss(t *testing.T) {
	dir := t.TempDir()
	r := powerloss.Record(t, dir)
	c := open(t, Options{Dir: dir})
	for i := range 4 {
		c.Put(key(i), values(i, small), false)
	}
	must(t, c.Close())
	again := open(t, Options{Dir: dir}) // adopts the shard
	for i := 4; i < 6; i++ {
		again.Put(key(i), values(i, small), i == 5)
	}
	must(t, again.Close())
	r.Stop()
	found := map[int]bool{}
	states := r.Replay(func(t testing.TB, s powerloss.State) {
		c := open(t, Options{Dir: s.Dir})
		defer c.Close()
		found[check(t, c, 5)] = true
		for i := 10; i < 12; i++ {
			c.Put(key(i), values(i, small), false)
		}
		check(t, c, 5)
		for i := 10; i < 12; i++ {
			got := make([]float32, small)
			if !c.Get(key(i), got) || got[0] != values(i, small)[0] {
				t.Errorf("record %d, which was added afterwards, is missing or wrong", i)
			}
		}
	})
	t.Logf("%d states", states)
	if !found[0] || !found[5] {
		t.Errorf("numbers of records that were left: %v, expected some with none and some with all", found)
	}
}
