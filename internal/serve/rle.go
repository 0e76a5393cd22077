package serve

import (
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// runLengths is a mask in the run-length encoding of COCO. Runs go down the columns, from left to
// right; their lengths are of pixels outside and inside the mask in turn, beginning outside.
type runLengths struct {
	Size   [2]int `json:"size"`   // height, width
	Counts any    `json:"counts"` // []int, or COCO's compressed string
}

// newRunLengths encodes the mask of a result; kind is maskRLE or maskRLEString.
func newRunLengths(r *localize.Result, kind string) *runLengths {
	mask := r.Mask().(*picture.Gray)
	counts := columnRuns(mask)
	if kind == maskRLEString {
		return &runLengths{[2]int{mask.Height, mask.Width}, compressRuns(counts)}
	}
	return &runLengths{[2]int{mask.Height, mask.Width}, counts}
}

// columnRuns gives the lengths of the runs of a mask [Height, Width].
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

// compressRuns gives COCO's compressed string of run lengths (rleToString in maskApi.c of
// pycocotools). From the fourth on, a length is stored as the difference to the length two before
// it. Each number is split into groups of 5 bits, lowest first. Adding 32 to a group marks that
// more follow, and adding 48 makes it a printable character.
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
