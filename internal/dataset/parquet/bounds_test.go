package parquet

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := thrift.Marshal(&thrift.CompactProtocol{}, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withFooter makes a file that holds nothing else.
func withFooter(footer []byte) []byte {
	b := append([]byte("PAR1"), footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}

func null[T any](v T) thrift.Null[T] { return thrift.Null[T]{V: v, Valid: true} }

// column is an element of a schema with columns of its own.
func column(children int32) format.SchemaElement {
	return format.SchemaElement{Name: "x", NumChildren: null(children)}
}

func leaf() format.SchemaElement {
	return format.SchemaElement{Name: "x", Type: null(format.ByteArray)}
}

// A footer that would make the library take memory without bound is refused.
func TestHostileFooters(t *testing.T) {
	deep := make([]format.SchemaElement, 40)
	for i := range deep {
		deep[i] = column(1)
	}
	deep[len(deep)-1] = leaf()
	one := []format.SchemaElement{column(1), leaf()}
	group := func(rows int64, columns int) []format.RowGroup {
		return []format.RowGroup{{NumRows: rows, Columns: make([]format.ColumnChunk, columns)}}
	}
	for name, c := range map[string]struct {
		footer format.FileMetaData
		want   string
	}{
		"no schema":        {format.FileMetaData{}, "a schema of 0 columns"},
		"nested":           {format.FileMetaData{Schema: deep}, "nested more than 32 deep"},
		"wide":             {format.FileMetaData{Schema: make([]format.SchemaElement, 5000)}, "a schema of 5000 columns"},
		"too many":         {format.FileMetaData{Schema: []format.SchemaElement{column(1 << 30)}}, "has 1073741824 columns"},
		"too few":          {format.FileMetaData{Schema: []format.SchemaElement{column(2), leaf(), column(0), leaf()}}, "belong to none"},
		"missing":          {format.FileMetaData{Schema: []format.SchemaElement{column(2), column(1), leaf()}}, "lacks columns"},
		"rows":             {format.FileMetaData{Schema: one, NumRows: 1 << 40, RowGroups: group(1<<40, 1)}, "has 1099511627776 rows"},
		"negative rows":    {format.FileMetaData{Schema: one, NumRows: -1, RowGroups: group(-1, 1)}, "has -1 rows"},
		"other rows":       {format.FileMetaData{Schema: one, NumRows: 9, RowGroups: group(8, 1)}, "8 rows in the row groups, 9 in the file"},
		"columns of group": {format.FileMetaData{Schema: one, RowGroups: group(0, 2)}, "row group 1 has 2 columns, the schema 1"},
	} {
		data := withFooter(marshal(t, &c.footer))
		if _, err := Open(save(t, data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.want)
		}
	}
}

// What is said to be longer than the file is refused before there is room for it.
func TestHostileLengths(t *testing.T) {
	const field1, field2 = 0x10, 0x20
	long := []byte{0xff, 0xff, 0xff, 0xff, 0x07} // 2^31 - 1
	nested := bytes.Repeat([]byte{field1 | byte(thrift.STRUCT)}, 100)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"footer": {[]byte("PAR1PAR1PAR1"), "a footer of 827474256 bytes in a file of 12"},
		"list":   {withFooter(append([]byte{field2 | byte(thrift.LIST), 0xf0 | byte(thrift.STRUCT)}, long...)), "unexpected EOF"},
		"text":   {withFooter(append([]byte{field2 | byte(thrift.BINARY)}, long...)), "unexpected EOF"},
		"map":    {withFooter(append([]byte{field2 | byte(thrift.MAP)}, long...)), "unexpected EOF"},
		"nested": {withFooter(nested), "nested more than 24 deep"},
		"items":  {withFooter(append([]byte{field2 | byte(thrift.LIST), 0xf0 | byte(thrift.I8), 0x80, 0x80, 0x40}, make([]byte, 1<<20)...)), "lists of more than 524288 items"},
	} {
		if _, err := Open(save(t, c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.want)
		}
	}
}

// Pages whose numbers do not fit the column are refused before they are decoded.
func TestHostilePages(t *testing.T) {
	plain := null(format.DataPageHeader{NumValues: 2})
	for name, c := range map[string]struct {
		header format.PageHeader
		want   string // "" if the page is good
	}{
		"good":      {format.PageHeader{Type: format.DataPage, CompressedPageSize: 10, UncompressedPageSize: 1000, DataPageHeader: plain}, ""},
		"long":      {format.PageHeader{Type: format.DataPage, CompressedPageSize: 1 << 30, DataPageHeader: plain}, "but the column has 10 more"},
		"negative":  {format.PageHeader{Type: format.DataPage, CompressedPageSize: -1, DataPageHeader: plain}, "-1 bytes"},
		"expanding": {format.PageHeader{Type: format.DataPage, CompressedPageSize: 10, UncompressedPageSize: 1 << 30, DataPageHeader: plain}, "10 bytes are said to hold 1073741824"},
		"values":    {format.PageHeader{Type: format.DataPage, CompressedPageSize: 10, DataPageHeader: null(format.DataPageHeader{NumValues: 3})}, "3 values, but the row group has 2 more rows"},
		"nulls": {format.PageHeader{Type: format.DataPageV2, CompressedPageSize: 10,
			DataPageHeaderV2: null(format.DataPageHeaderV2{NumValues: 1, NumNulls: 2})}, "2 of them null"},
		"levels": {format.PageHeader{Type: format.DataPageV2, CompressedPageSize: 10,
			DataPageHeaderV2: null(format.DataPageHeaderV2{NumValues: 1, DefinitionLevelsByteLength: 11})}, "levels of 11 bytes in 10"},
		"dictionary": {format.PageHeader{Type: format.DictionaryPage, CompressedPageSize: 10, UncompressedPageSize: 10,
			DictionaryPageHeader: null(format.DictionaryPageHeader{NumValues: 11})}, "a dictionary of 11 values in 10 bytes"},
		"statistics": {format.PageHeader{Type: format.DataPage, CompressedPageSize: 10,
			DataPageHeader: null(format.DataPageHeader{NumValues: 2, Statistics: format.Statistics{MinValue: make([]byte, 10_000)}})}, ""},
		"prefixes": {format.PageHeader{Type: format.DataPage, CompressedPageSize: 10, UncompressedPageSize: 60 << 20,
			DataPageHeader: null(format.DataPageHeader{NumValues: 2, Encoding: format.DeltaByteArray})}, ""},
	} {
		data := append(marshal(t, &c.header), make([]byte, 10)...)
		chunk := &format.ColumnMetaData{Codec: format.Snappy, TotalCompressedSize: int64(len(data))}
		err := checkPages(bytes.NewReader(data), int64(len(data)), chunk, 2)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, expected %q", name, err, c.want)
		}
	}
	if err := checkEncoding(format.DeltaByteArray, 1000, 60<<20); err == nil {
		t.Error("a thousand values that may each repeat 60 MB are accepted")
	}
	if err := checkPages(bytes.NewReader(nil), 100, &format.ColumnMetaData{DataPageOffset: 50, TotalCompressedSize: 51}, 1); err == nil {
		t.Error("a column beyond the end of the file is accepted")
	}
}
