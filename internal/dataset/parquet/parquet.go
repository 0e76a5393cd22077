package parquet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/declip/declip/internal/parallel"
)

// Extension is that of the files' names.
const Extension = ".parquet"

// Row describes a picture.
type Row struct {
	Key   string // its name; "row 17" if the file has none
	Label int64  // 0 for an untouched picture, another number for a manipulated one
	// Labelled says that the row has a label.
	Labelled bool
}

// File is an open file. It is safe for concurrent use. It is closed when it is no longer reachable.
type File struct {
	name    string
	reader  io.ReaderAt
	file    *parquet.File
	hasMask bool
	columns map[string]int // numbers of leaf columns

	mu   sync.Mutex
	kept []group // the latest row groups that cells were read from
}

// group holds the cells of a column in a row group.
type group struct {
	column, number int
	cells          [][]byte
}

// keptGroups bounds File.kept. Readers go through a file in order, some of them at a time.
const keptGroups = 4

// maxRows bounds the rows of a file: 16 million.
const maxRows = 1 << 24

// Names of columns.
const (
	imageColumn = "image.bytes"
	maskColumn  = "mask.bytes"
	pathColumn  = "image.path"
	keyColumn   = "key"
	labelColumn = "label"
)

// Open opens a file and checks its columns. Errors name it.
func Open(name string) (*File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := r.Stat()
	if err != nil {
		r.Close()
		return nil, err
	}
	f, err := open(r, info.Size())
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.name = name
	return f, nil
}

// open reads the directory of a file.
func open(r io.ReaderAt, size int64) (f *File, err error) {
	defer parallel.Recover(&err) // the library panics at some damaged files
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, err
	}
	f = &File{reader: r, file: file, columns: map[string]int{}}
	for _, name := range []string{imageColumn, maskColumn, pathColumn, keyColumn, labelColumn} {
		if leaf, ok := file.Schema().Lookup(strings.Split(name, ".")...); ok {
			if leaf.MaxRepetitionLevel > 0 {
				return nil, fmt.Errorf("column %s is a list: expected one value in each row", name)
			}
			want := parquet.ByteArray
			if name == labelColumn {
				want = parquet.Int64
			}
			if kind := leaf.Node.Type().Kind(); kind != want {
				return nil, fmt.Errorf("column %s is of type %s: expected %s", name, kind, want)
			}
			f.columns[name] = leaf.ColumnIndex
		}
	}
	if _, ok := f.columns[imageColumn]; !ok {
		return nil, fmt.Errorf("no column %s: its columns are %q", imageColumn, names(file))
	}
	_, f.hasMask = f.columns[maskColumn]
	return f, f.checkCodecs()
}

// checkCodecs refuses LZ4. The library doubles its buffer without end for a damaged block, and it
// misreads files that DuckDB writes.
func (f *File) checkCodecs() error {
	for _, group := range f.file.Metadata().RowGroups {
		for name, i := range f.columns {
			if codec := group.Columns[i].MetaData.Codec; codec == format.Lz4 || codec == format.Lz4Raw {
				return fmt.Errorf("column %s is compressed with %s, which is not read: "+
					"write the file with snappy, zstd, gzip or without compression", name, codec)
			}
		}
	}
	return nil
}

func names(file *parquet.File) []string {
	var list []string
	for _, column := range file.Schema().Columns() {
		list = append(list, strings.Join(column, "."))
	}
	return list
}

// HasMasks reports whether the file has a column of masks.
func (f *File) HasMasks() bool { return f.hasMask }

// Rows describes all rows. It does not read pictures.
func (f *File) Rows() ([]Row, error) {
	rows := make([]Row, f.file.NumRows())
	keys, err := f.column(keyColumn)
	if err == nil && keys == nil {
		keys, err = f.column(pathColumn)
	}
	if err != nil {
		return nil, err
	}
	labels, err := f.column(labelColumn)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Key = fmt.Sprintf("row %d", i+1); keys != nil && !keys[i].IsNull() {
			rows[i].Key = string(keys[i].ByteArray())
		}
		if labels != nil && !labels[i].IsNull() {
			rows[i].Label, rows[i].Labelled = labels[i].Int64(), true
		}
	}
	return rows, nil
}

// column reads a column of all row groups; nil if the file has none of the name.
func (f *File) column(name string) (values []parquet.Value, err error) {
	column, ok := f.columns[name]
	if !ok {
		return nil, nil
	}
	for g := range f.file.RowGroups() {
		part, err := f.values(g, column)
		if err != nil {
			return nil, err
		}
		values = append(values, part...)
	}
	if int64(len(values)) != f.file.NumRows() {
		return nil, fmt.Errorf("%s: column %s has %d values, the file %d rows", f.name, name, len(values), f.file.NumRows())
	}
	return values, nil
}

// values reads a column of a row group.
func (f *File) values(g, column int) (values []parquet.Value, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: row group %d: %w", f.name, g+1, err)
		}
	}()
	defer parallel.Recover(&err)
	rows := f.file.RowGroups()[g].NumRows()
	if err := checkPages(f.reader, f.file.Size(), &f.file.Metadata().RowGroups[g].Columns[column].MetaData, rows); err != nil {
		return nil, err
	}
	pages := f.file.RowGroups()[g].ColumnChunks()[column].Pages()
	defer pages.Close()
	buffer := make([]parquet.Value, 64)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(buffer)
			for _, v := range buffer[:n] {
				values = append(values, v.Clone()) // the page's memory is used again
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if n == 0 {
				return nil, io.ErrNoProgress
			}
		}
		parquet.Release(page)
		if int64(len(values)) > rows {
			break
		}
	}
	if int64(len(values)) != rows {
		return nil, fmt.Errorf("a column has %d values, the group %d rows", len(values), rows)
	}
	return values, nil
}

// Image gives the file of the picture in a row, counted from 0.
func (f *File) Image(row int) ([]byte, error) { return f.cell(imageColumn, row) }

// Mask gives the file of the mask in a row.
func (f *File) Mask(row int) ([]byte, error) { return f.cell(maskColumn, row) }

// cell gives a value of a column of bytes. It is an error if there is none. The bytes must not be
// changed.
func (f *File) cell(name string, row int) ([]byte, error) {
	column, ok := f.columns[name]
	if !ok {
		return nil, fmt.Errorf("no column %s", name)
	}
	for g, rg := range f.file.RowGroups() {
		n := int(rg.NumRows())
		if row >= n {
			row -= n
			continue
		}
		cells, err := f.cells(g, column)
		if err != nil {
			return nil, err
		}
		if cells[row] == nil {
			return nil, fmt.Errorf("%s is empty", name)
		}
		return cells[row], nil
	}
	return nil, fmt.Errorf("row %d is beyond the last one", row)
}

// cells reads the cells of a column in a row group, or takes them from the latest ones. Pages have
// no directory in files that pyarrow writes, so a single cell could be found no faster.
func (f *File) cells(g, column int) ([][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.IndexFunc(f.kept, func(k group) bool { return k.number == g && k.column == column }); i >= 0 {
		return f.kept[i].cells, nil
	}
	values, err := f.values(g, column)
	if err != nil {
		return nil, err
	}
	cells := make([][]byte, len(values))
	for i, v := range values {
		if !v.IsNull() {
			cells[i] = v.ByteArray()
		}
	}
	if len(f.kept) == keptGroups {
		f.kept = slices.Delete(f.kept, 0, 1)
	}
	f.kept = append(f.kept, group{column, g, cells})
	return cells, nil
}
