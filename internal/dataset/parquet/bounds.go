package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// The library trusts the numbers of a file: it makes room for a footer, a page or a list of any
// length before it reads them, and a schema of n levels takes memory by the square of n. So this
// file holds them against the file's own size first. A running process cannot recover from a lack
// of memory as it can from a panic.

const (
	maxFooter  = 64 << 20
	maxColumns = 4096 // of a schema, with the groups between
	maxLevels  = 32   // of a schema
)

var magic = [4]byte{'P', 'A', 'R', '1'}

// checkFooter checks what a file's footer says before the library acts on it.
func checkFooter(r io.ReaderAt, size int64) error {
	const head, tail = 4, 8 // "PAR1"; the footer's length and "PAR1"
	if size < head+tail {
		return fmt.Errorf("%d bytes are too few for a Parquet file", size)
	}
	var first [head]byte
	var last [tail]byte
	if _, err := r.ReadAt(first[:], 0); err != nil {
		return err
	}
	if _, err := r.ReadAt(last[:], size-tail); err != nil {
		return err
	}
	if first != magic || [4]byte(last[4:]) != magic {
		return fmt.Errorf("begins with %q and ends with %q: expected %q", first, last[4:], magic)
	}
	n := int64(binary.LittleEndian.Uint32(last[:]))
	if n > size-head-tail || n > maxFooter {
		return fmt.Errorf("a footer of %d bytes in a file of %d: expected at most %d", n, size, min(size-head-tail, maxFooter))
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-tail-n); err != nil {
		return err
	}
	var footer format.FileMetaData
	if _, err := decodeStruct(b, &footer); err != nil {
		return fmt.Errorf("reading the footer: %w", err)
	}
	leaves, err := checkSchema(footer.Schema)
	if err != nil {
		return err
	}
	return checkGroups(&footer, leaves, size)
}

// checkSchema returns how many columns hold values. Elements are in depth-first order.
func checkSchema(schema []format.SchemaElement) (leaves int, err error) {
	if len(schema) == 0 || len(schema) > maxColumns {
		return 0, fmt.Errorf("a schema of %d columns: expected 1 to %d", len(schema), maxColumns)
	}
	var open []int32 // of each level, how many columns are still to come
	for i := range schema {
		if i > 0 && len(open) == 0 {
			return 0, errors.New("the schema has columns that belong to none")
		}
		children := int32(0)
		if n := schema[i].NumChildren; n.Valid {
			children = n.V
		}
		if children < 0 || int(children) > len(schema)-1-i {
			return 0, fmt.Errorf("column %q has %d columns in a schema of %d", schema[i].Name, children, len(schema))
		}
		if schema[i].Type.Valid {
			leaves++
			if children > 0 {
				return 0, fmt.Errorf("column %q has values and columns", schema[i].Name)
			}
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		if open = append(open, children); len(open) > maxLevels {
			return 0, fmt.Errorf("column %q is nested more than %d deep", schema[i].Name, maxLevels)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return 0, errors.New("the schema lacks columns")
	}
	return leaves, nil
}

// checkGroups checks the numbers of rows, and that each row group has all columns.
func checkGroups(footer *format.FileMetaData, leaves int, size int64) error {
	total := int64(0)
	for i := range footer.RowGroups {
		g := &footer.RowGroups[i]
		if len(g.Columns) != leaves {
			return fmt.Errorf("row group %d has %d columns, the schema %d", i+1, len(g.Columns), leaves)
		}
		// No picture is shorter than a byte.
		if g.NumRows < 0 || g.NumRows > min(maxRows, size)-total {
			return fmt.Errorf("row group %d has %d rows in a file of %d bytes", i+1, g.NumRows, size)
		}
		total += g.NumRows
	}
	if total != footer.NumRows {
		return fmt.Errorf("%d rows in the row groups, %d in the file", total, footer.NumRows)
	}
	return nil
}

// pages checks the headers of a column's pages in a row group.
type pages struct {
	r          io.ReaderAt
	at, end    int64
	rows       int64 // of the row group, less those of the pages so far
	compressed bool
	room       int64 // bytes that pages may still decompress to
}

// Pages that decompress to less than freeRoom pass, larger ones if they are at most maxRatio times
// as long as the compressed ones. Pictures and masks in PNG or JPEG form hardly become shorter.
const (
	freeRoom = 64 << 20
	maxRatio = 32
)

// checkPages checks a column of a row group before it is decoded.
func checkPages(r io.ReaderAt, size int64, chunk *format.ColumnMetaData, rows int64) error {
	at := chunk.DataPageOffset
	if chunk.DictionaryPageOffset != 0 {
		at = chunk.DictionaryPageOffset
	}
	n := chunk.TotalCompressedSize
	if at < 0 || n < 0 || at > size || n > size-at {
		return fmt.Errorf("a column of %d bytes at %d of a file of %d", n, at, size)
	}
	p := &pages{r: r, at: at, end: at + n, rows: rows, compressed: chunk.Codec != format.Uncompressed, room: freeRoom + maxRatio*n}
	for i := 1; p.at < p.end; i++ {
		header, err := p.header()
		if err == nil {
			err = p.check(header)
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
	}
	return nil
}

// header reads the next page's header and passes it.
func (p *pages) header() (*format.PageHeader, error) {
	// Most headers have less than a hundred bytes, but they may quote the least and the largest value.
	for most := int64(4 << 10); ; most *= 64 {
		b := make([]byte, min(most, p.end-p.at))
		if _, err := p.r.ReadAt(b, p.at); err != nil {
			return nil, err
		}
		header := new(format.PageHeader)
		n, err := decodeStruct(b, header)
		if errors.Is(err, io.ErrUnexpectedEOF) && n == 0 && int64(len(b)) == most && most < maxFooter {
			continue
		}
		p.at += int64(n)
		return header, err
	}
}

// check holds a page's sizes against the row group's, and passes the page.
func (p *pages) check(h *format.PageHeader) error {
	packed, size := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if packed < 0 || packed > p.end-p.at {
		return fmt.Errorf("%d bytes, but the column has %d more", packed, p.end-p.at)
	}
	p.at += packed
	if !p.compressed {
		size = packed
	}
	if p.room -= size; size < 0 || p.room < 0 {
		return fmt.Errorf("%d bytes are said to hold %d", packed, size)
	}
	var values int64
	var encoding format.Encoding
	switch h.Type {
	case format.DictionaryPage:
		if n := int64(h.DictionaryPageHeader.V.NumValues); n < 0 || n > size {
			return fmt.Errorf("a dictionary of %d values in %d bytes", n, size)
		}
		return checkEncoding(h.DictionaryPageHeader.V.Encoding, 0, size)
	case format.DataPage:
		values, encoding = int64(h.DataPageHeader.V.NumValues), h.DataPageHeader.V.Encoding
	case format.DataPageV2:
		v := &h.DataPageHeaderV2.V
		values, encoding = int64(v.NumValues), v.Encoding
		if v.NumNulls < 0 || v.NumNulls > v.NumValues || v.NumRows < 0 || v.NumRows > v.NumValues {
			return fmt.Errorf("%d values with %d rows, %d of them null", v.NumValues, v.NumRows, v.NumNulls)
		}
		levels := int64(v.DefinitionLevelsByteLength) + int64(v.RepetitionLevelsByteLength)
		if v.DefinitionLevelsByteLength < 0 || v.RepetitionLevelsByteLength < 0 || levels > packed {
			return fmt.Errorf("levels of %d bytes in %d", levels, packed)
		}
	}
	if p.rows -= values; values < 0 || p.rows < 0 {
		return fmt.Errorf("%d values, but the row group has %d more rows", values, p.rows+values)
	}
	return checkEncoding(encoding, values, size)
}

// checkEncoding bounds what values in size bytes can become. With DELTA_BYTE_ARRAY, each value may
// repeat the one before it, which is as long as the page at most.
func checkEncoding(encoding format.Encoding, values, size int64) error {
	const most = 1 << 30
	if encoding == format.DeltaByteArray && values > most/max(size, 1) {
		return fmt.Errorf("%d values in %d bytes could become more than %d bytes with the encoding %s: "+
			"write the file with the encoding PLAIN", values, size, most, encoding)
	}
	return nil
}
