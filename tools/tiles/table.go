package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// result is what is used of what declip eval --json prints.
type result struct {
	Manipulated int
	AP          *float64
	AUC         *float64
	F1Best      *float64 `json:"f1_best"`
	Intervals   map[string][2]float64
}

// printTable prints a row for each file, named by the file, as Markdown.
func printTable(w io.Writer, files []string) error {
	fmt.Fprintln(w, "| | AP | best F1 | AUC |\n| --- | --- | --- | --- |")
	pictures := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r result
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if r.AP == nil || r.AUC == nil || r.F1Best == nil {
			return fmt.Errorf("%s has no AP, AUC or best F1", file)
		}
		interval := ""
		if i, ok := r.Intervals["ap"]; ok {
			interval = fmt.Sprintf(" (%.3f to %.3f)", i[0], i[1])
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		fmt.Fprintf(w, "| %s | %.3f%s | %.3f | %.3f |\n", name, *r.AP, interval, *r.F1Best, *r.AUC)
		pictures = r.Manipulated
	}
	_, err := fmt.Fprintf(w, "\n%d pictures\n", pictures)
	return err
}
