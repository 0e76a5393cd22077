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

	"github.com/declip/declip/internal/files"
)

// record is one line of log.jsonl.
type record struct {
	Time  string  `json:"time"`
	Event string  `json:"event"` // start, resume, skip, step, epoch, end
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
	Picture string  `json:"picture,omitempty"` // a picture that was left out
	Why     string  `json:"why,omitempty"`
	Options *Config `json:"options,omitempty"`
}

// journal appends records to a file, one JSON object per line.
type journal struct {
	file *files.File
	size int64
}

// openJournal starts a log, or continues that of the state: lines after the state, which the
// resumed run writes again, are cut off.
func openJournal(dir string, resumed bool, s State) (*journal, error) {
	path := filepath.Join(dir, logFile)
	file, err := files.OpenRegular(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if resumed {
		err = j.cut(s)
	} else {
		err = file.Truncate(0)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

// cut truncates the log to its length at the state. A log that was edited since keeps its complete
// lines about steps up to the state's.
func (j *journal) cut(s State) error {
	old, err := os.ReadFile(j.file.Name())
	if err != nil {
		return err
	}
	if n := s.LogBytes; n > 0 && n <= int64(len(old)) && old[n-1] == '\n' {
		j.size = n
		return j.file.Truncate(n)
	}
	var kept []byte
	scanner := bufio.NewScanner(bytes.NewReader(old))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var r record
		if json.Unmarshal(scanner.Bytes(), &r) == nil && r.Step <= s.Step && (r.Event != "epoch" || r.Epoch <= s.Epoch) {
			kept = append(append(kept, scanner.Bytes()...), '\n')
		}
	}
	if err := j.file.Truncate(0); err != nil {
		return err
	}
	_, err = j.file.Write(kept)
	j.size = int64(len(kept))
	return err
}

// add writes a record. After a failed write, the incomplete line is cut off.
func (j *journal) add(r record) error {
	r.Time = time.Now().UTC().Format(time.RFC3339)
	for _, v := range []*float64{&r.Loss, &r.Norm} {
		if math.IsNaN(*v) || math.IsInf(*v, 0) {
			*v = -1 // JSON has no NaN or infinity; the event says why
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	n, err := j.file.Write(append(line, '\n'))
	if err != nil {
		_ = j.file.Truncate(j.size)
		return fmt.Errorf("log: %w", err)
	}
	j.size += int64(n)
	return nil
}
