package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
)

// Table is a table with its caption, for the page and, with all digits, for files.
type Table struct {
	Name    string // of its files
	Title   string
	Caption string
	Columns []Column
	Rows    [][]Value
}

// Column has a key for files and a heading for the page.
type Column struct {
	Key, Head string
	Number    bool // aligned as a number, and with an interval in the files
}

// Value is an entry of a table.
type Value struct {
	Text  string // for the page
	Under string // in small type below: an interval, or the pair of sets
	Class string // of the style: "id", "best", "missing", "head"
	Estimate
	isNumber bool
}

func textValue(s string) Value { return Value{Text: s} }

func headValue(s string) Value { return Value{Text: s, Class: "head"} }

// missing is the entry for a missing score.
func missing(problem string) Value {
	v := Value{Text: "–", Estimate: unknown(), isNumber: true}
	if problem != "" {
		v.Text, v.Under, v.Class = "missing", "see below", "missing"
	}
	return v
}

// numberValue shows an estimate with its interval.
func numberValue(e Estimate, format func(float64) string) Value {
	if !e.Known() {
		return missing("")
	}
	v := Value{Text: format(e.Mean), Estimate: e, isNumber: true}
	if e.HasInterval() {
		v.Under = format(e.Low) + " to " + format(e.High)
	}
	return v
}

// plainNumber is a number without an interval.
func plainNumber(v float64, format func(float64) string) Value {
	if math.IsNaN(v) {
		return missing("")
	}
	return Value{Text: format(v), Estimate: Estimate{Mean: v, Low: v, High: v, Count: 1}, isNumber: true}
}

// CSV encodes the table. A column of numbers has two more columns for the ends of their intervals.
func (t Table) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var head []string
	for _, c := range t.Columns {
		head = append(head, c.Key)
		if c.Number {
			head = append(head, c.Key+"_low", c.Key+"_high")
		}
	}
	_ = w.Write(head) // a buffer takes everything
	for _, row := range t.Rows {
		var record []string
		for i, c := range t.Columns {
			v := row[i]
			switch {
			case c.Number && v.Known():
				record = append(record, digits(v.Mean), bound(v, v.Low), bound(v, v.High))
			case c.Number:
				record = append(record, "", "", "")
			case v.isNumber && v.Known():
				record = append(record, digits(v.Mean))
			case v.isNumber:
				record = append(record, "")
			default:
				record = append(record, v.Text)
			}
		}
		_ = w.Write(record)
	}
	w.Flush()
	return b.Bytes()
}

func bound(v Value, end float64) string {
	if !v.HasInterval() {
		return ""
	}
	return digits(end)
}

func digits(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// JSON encodes the table as {"title", "caption", "rows": [{column: value}]}. A number with an
// interval is {"mean", "low", "high", "count"}, a missing one null.
func (t Table) JSON() ([]byte, error) {
	rows := make([]map[string]any, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = map[string]any{}
		for j, c := range t.Columns {
			rows[i][c.Key] = row[j].json()
		}
	}
	return json.MarshalIndent(struct {
		Title   string           `json:"title"`
		Caption string           `json:"caption"`
		Rows    []map[string]any `json:"rows"`
	}{t.Title, t.Caption, rows}, "", "  ")
}

func (v Value) json() any {
	switch {
	case v.isNumber && !v.Known():
		return nil
	case v.isNumber && v.HasInterval():
		return v.Estimate
	case v.isNumber:
		return v.Mean
	}
	return v.Text
}
