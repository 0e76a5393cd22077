package declip

import (
	"encoding/json"
	"image"
	"io"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// MarshalJSON gives the JSON object of "declip localize --json", without the fields about written
// files and the time. Its field image is the path that LocalizeFile got, otherwise empty. The maps
// are not part of it.
func (r *Result) MarshalJSON() ([]byte, error) {
	inner := r.inner()
	record := struct {
		localize.Record
		Each []localize.RecordOwn `json:"each,omitempty"`
	}{Record: localize.NewRecord(r.image, inner)}
	for _, own := range inner.Each {
		record.Each = append(record.Each, localize.NewRecordOwn(own))
	}
	return json.Marshal(record)
}

// RunLengths is a mask in the run-length encoding of COCO.
type RunLengths struct {
	Size [2]int `json:"size"` // height, width
	// Counts are the lengths of runs down the columns, from left to right, of pixels outside and
	// inside the mask in turn, beginning outside.
	Counts []int `json:"counts"`
}

// Compressed is Counts as COCO's compressed string.
func (r RunLengths) Compressed() string { return picture.CompressRuns(r.Counts) }

// RunLengths is what Mask marks, in the run-length encoding of COCO.
func (r *Result) RunLengths() RunLengths {
	return RunLengths{[2]int{r.Height, r.Width}, picture.ColumnRuns(r.mask())}
}

// Contours are the borders of what Mask marks, as closed polygons whose points are corners of
// pixels: (0, 0) is the upper left corner of the picture. An outer border goes clockwise, as the
// picture is seen, and the border of a hole the other way round. The first point is not repeated.
func (r *Result) Contours() [][]image.Point { return picture.Contours(r.mask()) }

func (r *Result) mask() *picture.Gray {
	m := picture.Map{Prob: r.Prob, Width: r.Width, Height: r.Height}
	return m.Mask(r.Threshold)
}

// WriteOverlay writes Overlay as a PNG file.
func (r *Result) WriteOverlay(w io.Writer, img image.Image) error {
	data, err := picture.EncodePNG(r.Overlay(img), picture.Fast)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
