package serve

import (
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// runs is a mask as COCO has it: run lengths down the columns, from left to
// right, of pixels outside and inside in turn, outside first.
type runs struct {
	Size   [2]int `json:"size"`   // height, width
	Counts any    `json:"counts"` // []int, or COCO's text for them
}

// newRuns encodes the mask of a result; kind is maskRLE or maskRLEString.
func newRuns(r *localize.Result, kind string) *runs {
	mask := r.Mask().(*picture.Gray)
	counts := columnRuns(mask)
	if kind == maskRLEString {
		return &runs{[2]int{mask.Height, mask.Width}, compressRuns(counts)}
	}
	return &runs{[2]int{mask.Height, mask.Width}, counts}
}

func columnRuns(mask *picture.Gray) []int {
	counts := []int{}
	inside, run := uint8(0), 0
	for x := range mask.Width {
		for y := range mask.Height {
			if v := mask.Pix[y*mask.Width+x]; v != inside {
				counts, run = append(counts, run), 0
				inside = v
			}
			run++
		}
	}
	return append(counts, run)
}

// compressRuns is COCO's text of run lengths: from the fourth on the difference
// to the one before the last, in groups of 5 bits, the lowest first, 32 marking
// that more follow, 48 added to make characters of them.
func compressRuns(counts []int) string {
	var b strings.Builder
	for i, v := range counts {
		if i > 2 {
			v -= counts[i-2]
		}
		for more := true; more; {
			group := v & 0x1f
			v >>= 5
			// The sign is bit 16 of the last group.
			more = v != 0 && group&0x10 == 0 || v != -1 && group&0x10 != 0
			if more {
				group |= 0x20
			}
			b.WriteByte(byte(group + 48))
		}
	}
	return b.String()
}
