package calibrate

import (
	"context"
	"fmt"
	"testing"
)

// One untouched picture of eight is at a logit of -3.0625, and a quarter may be flagged. It may be
// flagged unless its own group, of two, has to keep the limit, too.
func TestEachGroupKeepsTheLimit(t *testing.T) {
	for _, c := range []struct {
		easy, hard string
		keeps      bool
	}{{"", "", false}, {"all", "all", false}, {"", "hard", true}, {"easy", "hard", true}} {
		pictures := []Picture{makePicture("forged", 40, true), makePicture("hard 0", 79, false), makePicture("hard 1", 20, false)}
		pictures[1].Group, pictures[2].Group = c.hard, c.hard
		for i := range 6 {
			p := makePicture(fmt.Sprint("easy ", i), 20, false)
			p.Group = c.easy
			pictures = append(pictures, p)
		}
		for _, blobs := range []bool{false, true} {
			o := options(t, pictures...)
			o.Blobs = blobs
			r, err := Run(context.Background(), model(t), o)
			if err != nil {
				t.Fatal(err)
			}
			if keeps := r.Shift <= 3.0625; keeps != c.keeps {
				t.Errorf("groups %q and %q, blobs %v: shift %g, expected at most 3.0625: %v", c.easy, c.hard, blobs, r.Shift, c.keeps)
			}
			if want := 0.125; !c.keeps && r.After.Flagged != want || c.keeps && r.After.MostFlagged != 0 {
				t.Errorf("groups %q and %q, blobs %v: %+v afterwards", c.easy, c.hard, blobs, r.After)
			}
		}
	}
}
