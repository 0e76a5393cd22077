package picture

import "strings"

// ColumnRuns gives the lengths of the runs of a mask [Height, Width], down its columns from left to
// right: of values of 0 and of others in turn, beginning with 0.
func ColumnRuns(mask *Gray) []int {
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

// CompressRuns gives COCO's compressed string of run lengths (rleToString in maskApi.c of
// pycocotools). From the fourth on, a length is stored as the difference to the length two before
// it. Each number is split into groups of 5 bits, lowest first. Adding 32 to a group marks that
// more follow, and adding 48 makes it a printable character.
func CompressRuns(counts []int) string {
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
