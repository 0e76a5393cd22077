package results

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
)

// Row is a record as a row of a Parquet file. Columns of an item that failed are null.
type Row struct {
	Item         int64   `parquet:"item,delta"`
	Image        string  `parquet:"image"`
	Key          string  `parquet:"key"`
	SHA256       string  `parquet:"sha256,optional"`
	Status       string  `parquet:"status,dict"`
	Flagged      bool    `parquet:"flagged"`
	ErrorCode    *string `parquet:"error_code,optional,dict"`
	ErrorMessage *string `parquet:"error_message,optional"`

	Width               *int32   `parquet:"width,optional"`
	Height              *int32   `parquet:"height,optional"`
	Format              *string  `parquet:"format,optional,dict"`
	Orientation         *int32   `parquet:"orientation,optional,dict"`
	Warnings            []string `parquet:"warnings,list"`
	Model               *string  `parquet:"model,optional,dict"`
	Score               *float64 `parquet:"score,optional"`
	ScoreKind           *string  `parquet:"score_kind,optional,dict"`
	MeanProbability     *float64 `parquet:"mean_probability,optional"`
	ManipulatedFraction *float64 `parquet:"manipulated_fraction,optional"`
	Threshold           *float64 `parquet:"threshold,optional,dict"`
	Regions             []Region `parquet:"regions,list"`
	// Provenance is the JSON object of localize.Provenance.
	Provenance *string  `parquet:"provenance,optional,dict"`
	Maps       []string `parquet:"maps,list"`
	MS         float64  `parquet:"ms"`
}

// Region is an area over the threshold, in pixels.
type Region struct {
	X      int32   `parquet:"x"`
	Y      int32   `parquet:"y"`
	Width  int32   `parquet:"width"`
	Height int32   `parquet:"height"`
	Area   int64   `parquet:"area"`
	Mean   float64 `parquet:"mean"`
	Peak   float64 `parquet:"peak"`
}

// pictureFields are the fields of schema.Record.Picture: localize.Record, of which an item that
// failed has only the first.
type pictureFields struct {
	Image               string          `json:"image"`
	Width               *int32          `json:"width"`
	Height              *int32          `json:"height"`
	Format              *string         `json:"format"`
	Orientation         *int32          `json:"orientation"`
	Warnings            []string        `json:"warnings"`
	Model               *string         `json:"model"`
	Score               *float64        `json:"score"`
	ScoreKind           *string         `json:"score_kind"`
	MeanProbability     *float64        `json:"mean_probability"`
	ManipulatedFraction *float64        `json:"manipulated_fraction"`
	Threshold           *float64        `json:"threshold"`
	Provenance          json.RawMessage `json:"provenance"`
	Regions             []struct {
		Box  [4]int32 `json:"box"`
		Area int64    `json:"area"`
		Mean float64  `json:"mean"`
		Peak float64  `json:"peak"`
	} `json:"regions"`
}

func newRow(r *schema.Record) (Row, error) {
	var p pictureFields
	if err := json.Unmarshal(r.Picture, &p); err != nil {
		return Row{}, fmt.Errorf("item %d: %w: %w", r.Item, schema.ErrInvalid, err)
	}
	row := Row{
		Item: int64(r.Item), Image: p.Image, Key: r.Key, SHA256: r.SHA256, Status: string(r.Status), Flagged: r.Flagged,
		Width: p.Width, Height: p.Height, Format: p.Format, Orientation: p.Orientation, Warnings: p.Warnings,
		Model: p.Model, Score: p.Score, ScoreKind: p.ScoreKind, MeanProbability: p.MeanProbability,
		ManipulatedFraction: p.ManipulatedFraction, Threshold: p.Threshold, Maps: r.Maps, MS: r.MS,
	}
	if r.Error != nil {
		row.ErrorCode, row.ErrorMessage = &r.Error.Code, &r.Error.Message
	}
	if len(p.Provenance) > 0 {
		text := string(p.Provenance)
		row.Provenance = &text
	}
	for _, g := range p.Regions {
		row.Regions = append(row.Regions, Region{g.Box[0], g.Box[1], g.Box[2], g.Box[3], g.Area, g.Mean, g.Peak})
	}
	return row, nil
}

// Sizes of what is written at a time, in rows.
const (
	rowsTogether = 256
	rowGroup     = 64 << 10
)

// rows writes a Parquet file.
type rows struct {
	writer  *parquet.GenericWriter[Row]
	waiting []Row
	group   int // rows in the row group
}

func newRows(to io.Writer) *rows {
	return &rows{writer: parquet.NewGenericWriter[Row](to, parquet.Compression(&zstd.Codec{}))}
}

func (w *rows) add(r *schema.Record) error {
	row, err := newRow(r)
	if err != nil {
		return err
	}
	w.waiting = append(w.waiting, row)
	if len(w.waiting) < rowsTogether {
		return nil
	}
	return w.write()
}

func (w *rows) write() error {
	if _, err := w.writer.Write(w.waiting); err != nil {
		return err
	}
	w.group += len(w.waiting)
	clear(w.waiting)
	w.waiting = w.waiting[:0]
	if w.group < rowGroup {
		return nil
	}
	w.group = 0
	return w.writer.Flush()
}

func (w *rows) close() error {
	if err := w.write(); err != nil {
		return err
	}
	return w.writer.Close()
}
