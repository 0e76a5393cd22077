package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// Names in a study's folder.
const (
	PageFile     = "report.html"
	ResultsFile  = "results.json"
	tableFolder  = "tables"
	figureFolder = "figures"
)

// Write makes the report of a study in a folder: report.html, which needs nothing else, results.json, and each table and
// figure as files of its own. Every file is whole or, where writing fails, as it was; errors name the file.
func Write(dir string, r *Results) error {
	a := Analyze(r)
	sections := a.contents()
	cells := a.cellsTable()
	for _, name := range []string{tableFolder, figureFolder} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	tables := []Table{cells}
	for _, s := range sections {
		tables = append(tables, s.tables...)
		for _, f := range s.figures {
			if err := f.write(filepath.Join(dir, figureFolder)); err != nil {
				return err
			}
		}
	}
	for _, t := range tables {
		if err := t.write(filepath.Join(dir, tableFolder)); err != nil {
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
	v, t := a.Variants[0], a.Treatments[0]
	averages := map[string]any{}
	for _, variant := range a.Variants {
		one := map[string]any{"id": a.ID(variant, t, iou.Key).json(), "ood": a.OOD(variant, t, iou.Key).json()}
		if worst, ok := a.Worst(variant, t, iou.Key); ok {
			one["worst_ood"] = worst.json()
			one["worst_ood_pair"] = []string{worst.train, worst.test}
		}
		if gap := difference(a.ID(variant, t, iou.Key), a.OOD(variant, t, iou.Key)); gap.Known() {
			one["difference"] = gap.json()
		}
		averages[variant] = one
	}
	_ = v
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

// json is the estimate as the files have it: null where there is none.
func (e Estimate) json() any {
	v := Value{Estimate: e, isNumber: true}
	return v.json()
}
