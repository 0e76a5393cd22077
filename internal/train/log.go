package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// record is one line of log.jsonl.
type record struct {
	Time  string  `json:"time"`
	Event string  `json:"event"` // start, resume, step, epoch, end
	Step  int64   `json:"step"`
	Epoch int     `json:"epoch,omitempty"`
	Loss  float64 `json:"loss,omitempty"`
	Rate  float64 `json:"lr,omitempty"`
	Norm  float64 `json:"gradient_norm,omitempty"`
	Speed float64 `json:"steps_per_second,omitempty"`
	Idle  float64 `json:"outside_engine,omitempty"` // share of the time

	Score   *Score  `json:"valid,omitempty"`
	Best    bool    `json:"best,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // of all runs
	Why     string  `json:"why,omitempty"`
	Options *Config `json:"options,omitempty"`
}

// journal appends records to a file, one JSON object a line.
type journal struct{ file *os.File }

// openJournal starts a log, or goes on with one: then lines of steps beyond the given one, which the
// resumed run does again, are dropped, and so is a last line that was cut off.
func openJournal(dir string, resume bool, step int64) (*journal, error) {
	path := filepath.Join(dir, logFile)
	var kept []byte
	if old, err := os.ReadFile(path); resume && err == nil {
		scanner := bufio.NewScanner(bytes.NewReader(old))
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var r record
			if json.Unmarshal(scanner.Bytes(), &r) == nil && r.Step <= step {
				kept = append(append(kept, scanner.Bytes()...), '\n')
			}
		}
	}
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, kept, 0o644); err != nil {
		return nil, err
	}
	if err := os.Rename(temporary, path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &journal{file}, nil
}

func (j *journal) add(r record) error {
	r.Time = time.Now().UTC().Format(time.RFC3339)
	for _, v := range []*float64{&r.Loss, &r.Norm} {
		if math.IsNaN(*v) || math.IsInf(*v, 0) {
			*v = -1 // JSON has no such numbers; the event says why
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}
