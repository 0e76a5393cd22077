package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// Names in a study's directory.
const (
	PageFile    = "report.html"
	ResultsFile = "results.json"
	tablesDir   = "tables"
	figuresDir  = "figures"
)

// Write writes the report of a study to a directory: report.html, which needs no other files,
// results.json, and each table and figure as separate files. Files are replaced atomically, and
// errors name the file.
func Write(dir string, r *Results) error {
	a := Analyze(r)
	sections := a.contents()
	cells := a.cellsTable()
	for _, name := range []string{tablesDir, figuresDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	tables := []Table{cells}
	for _, s := range sections {
		tables = append(tables, s.tables...)
		for _, f := range s.figures {
			if err := f.write(filepath.Join(dir, figuresDir)); err != nil {
				return err
			}
		}
	}
	for _, t := range tables {
		if err := t.write(filepath.Join(dir, tablesDir)); err != nil {
			return err
		}
	}
	if err := a.writeResults(filepath.Join(dir, ResultsFile)); err != nil {
		return err
	}
	page, err := a.page(sections, cells)
	if err != nil {
		return err
	}
	return files.WriteBytes(filepath.Join(dir, PageFile), page)
}

// write writes the figure as SVG and PNG.
func (f *Figure) write(dir string) error {
	for ending, encode := range map[string]func() ([]byte, error){".svg": f.SVG, ".png": f.PNG} {
		data, err := encode()
		if err != nil {
			return err
		}
		if err := files.WriteBytes(filepath.Join(dir, f.Name+ending), data); err != nil {
			return err
		}
	}
	return nil
}

// write writes the table as CSV and JSON.
func (t Table) write(dir string) error {
	if err := files.WriteBytes(filepath.Join(dir, t.Name+".csv"), t.CSV()); err != nil {
		return err
	}
	data, err := t.JSON()
	if err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	return files.WriteBytes(filepath.Join(dir, t.Name+".json"), append(data, '\n'))
}

// writeResults writes the study with its averages and its summary in words.
func (a *Analysis) writeResults(path string) error {
	cells, err := a.cellsTable().JSON()
	if err != nil {
		return err
	}
	t := a.Treatments[0]
	averages := map[string]any{}
	for _, variant := range a.Variants {
		one := map[string]any{"id": a.ID(variant, t, iou.Key).json(), "ood": a.OOD(variant, t, iou.Key).json()}
		if worst, ok := a.worst(variant, t, iou.Key); ok {
			one["worst_ood"] = worst.json()
			one["worst_ood_pair"] = []string{worst.train, worst.test}
		}
		if gap := difference(a.ID(variant, t, iou.Key), a.OOD(variant, t, iou.Key)); gap.Known() {
			one["difference"] = gap.json()
		}
		averages[variant] = one
	}
	data, err := json.MarshalIndent(struct {
		*Results
		Summary  []string        `json:"summary"`
		Averages map[string]any  `json:"iou"`
		Cells    json.RawMessage `json:"cells"`
	}{a.Results, a.Summary(), averages, cells}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return files.WriteBytes(path, append(data, '\n'))
}

// json is the estimate in the files: null if there is none.
func (e Estimate) json() any {
	v := Value{Estimate: e, isNumber: true}
	return v.json()
}
