package study

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
)

// facts are stored for a finished training.
type facts struct {
	Key        string   `json:"key"`
	Model      string   `json:"model"`
	Parameters int      `json:"parameters"`
	Epochs     int      `json:"epochs"`
	BestEpoch  int      `json:"best_epoch"`
	ValidIoU   *float64 `json:"valid_iou,omitempty"` // percent
	Seconds    float64  `json:"seconds"`
	Device     string   `json:"device"`
}

const factsFile = "done.json"

// readFacts reads the facts and reports whether the training is done.
func (r *Run) readFacts() bool {
	if err := readJSON(filepath.Join(r.Dir, factsFile), &r.facts); err != nil || r.facts.Key != r.key {
		r.facts = facts{}
		return false
	}
	_, err := os.Stat(r.File)
	return err == nil
}

// stored is a cell's file.
type stored struct {
	Key       string             `json:"key"`
	Variant   string             `json:"variant,omitempty"`
	Train     string             `json:"trained_on"`
	Test      string             `json:"tested_on"`
	Treatment string             `json:"treatment,omitempty"`
	Seconds   float64            `json:"seconds"` // its share of the pass that filled it
	Pictures  []evaluate.Picture `json:"pictures"`
	// Provenance of the scores; missing in cells that earlier versions filled.
	Provenance *localize.Provenance `json:"provenance,omitempty"`
	// Contents of the test data, where the key does not cover them; see Plan.recordAdopted.
	Contents string `json:"contents,omitempty"`
}

// read reads the cell's scores and reports whether it is filled.
func (c *Cell) read() bool {
	var s stored
	if err := readJSON(c.Path, &s); err != nil || s.Key != c.key {
		return false
	}
	c.result = &s
	return true
}

// write stores the cell's scores.
func (c *Cell) write(pictures []evaluate.Picture, seconds float64) error {
	return c.store(&stored{Key: c.key, Variant: c.Run.Variant, Train: c.Run.Train, Test: c.Test, Treatment: c.Treatment.String(), Seconds: seconds, Pictures: pictures,
		Provenance: c.made})
}

// store stores the cell's file.
func (c *Cell) store(s *stored) error {
	if err := writeJSON(c.Path, s); err != nil {
		return err
	}
	c.result, c.Done = s, true
	return nil
}

func readJSON(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, value any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return files.WriteSynced(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(value) })
}

// identities identify model files by their length and a hash of both ends. Reading gigabytes of
// weights at every start would take too long.
func identities(names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		if models.BuiltIn(name) {
			list = append(list, fmt.Sprint(name, models.Size(name)))
			continue
		}
		path, err := models.Find(name)
		if err != nil {
			return nil, err
		}
		id, err := identity(path)
		if err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, nil
}

// identity is the length of a file and a hash of its first and last megabyte.
func identity(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	const end = 1 << 20
	sum := sha256.New()
	if _, err := io.CopyN(sum, f, end); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if _, err := f.Seek(-min(end, info.Size()), io.SeekEnd); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Sprintf("%d %s", info.Size(), hex.EncodeToString(sum.Sum(nil))), nil
}
