package cli

import (
	"fmt"
	"strings"

	"github.com/declip/declip/internal/localize"
)

// madeBy says what made results that are not those of one picture. Engine and weights are missing
// where no model ran.
type madeBy struct {
	Program string                 `json:"declip"`
	Engine  string                 `json:"engine,omitempty"`
	Weights []localize.WeightsFile `json:"weights,omitempty"`
}

// String is the text of tables, with the first digits of the digests.
func (m *madeBy) String() string {
	parts := []string{"declip " + m.Program}
	if m.Engine != "" {
		parts = append(parts, m.Engine)
	}
	for _, w := range m.Weights {
		text := w.Name
		if w.Version != "" {
			text += " " + w.Version
		}
		if w.SHA256 != "" {
			text += fmt.Sprintf(" (SHA-256 %.12s)", w.SHA256)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// columns are the last columns of a CSV file: the program, the engine, and the weights as
// NAME=SHA256, separated by spaces.
func (m *madeBy) columns() []string {
	var files []string
	for _, w := range m.Weights {
		files = append(files, w.Name+"="+w.SHA256)
	}
	return []string{m.Program, m.Engine, strings.Join(files, " ")}
}
