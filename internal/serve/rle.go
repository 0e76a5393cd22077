package serve

import (
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
	counts := picture.ColumnRuns(mask)
	if kind == maskRLEString {
		return &runLengths{[2]int{mask.Height, mask.Width}, picture.CompressRuns(counts)}
	}
	return &runLengths{[2]int{mask.Height, mask.Width}, counts}
}
