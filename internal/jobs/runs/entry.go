package runs

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/declip/declip/internal/jobs/queue"
)

// State is what happens to a run.
type State string

// The states of a run.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed" // Entry.Problem says why
)

// version is that of entries.
const version = 1

// Entry is what is known about a run.
type Entry struct {
	V       int    `json:"v"`
	State   State  `json:"state"`
	Worker  string `json:"worker,omitempty"` // that has claimed it last
	Attempt int    `json:"attempt"`          // claims so far
	// Starts are the claims since the last checkpoint. A worker that stops in an orderly way takes
	// its own back.
	Starts int `json:"starts"`
	// Refused are the workers in a row that could not work on it, such as for lack of its data;
	// Problem is the last one's reason.
	Refused int   `json:"refused,omitempty"`
	Step    int64 `json:"step,omitempty"` // of the last checkpoint
	// Files are those of the last checkpoint, or of the result.
	Files   []File `json:"files,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// File is a file of a run.
type File struct {
	Name   string `json:"name"`
	Key    string `json:"key"` // of the object in the store
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// ErrInvalid is wrapped by errors about entries that are not as this package writes them.
var ErrInvalid = errors.New("not valid")

func decode(data []byte) (e Entry, err error) {
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("run: %w: %w", ErrInvalid, err)
	}
	if e.V != version {
		return e, fmt.Errorf("run: %w: version %d, this program knows version %d", ErrInvalid, e.V, version)
	}
	for _, f := range e.Files {
		if !plain(f.Name) {
			return e, fmt.Errorf("run: %w: a file is named %.80q", ErrInvalid, f.Name)
		}
	}
	return e, nil
}

// plain says whether a name is that of a file in a directory: letters, digits and some signs, not
// beginning with a dot.
func plain(name string) bool {
	const most = 200
	if name == "" || len(name) > most || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		if c != '.' && queue.CheckToken(string(c)) != nil {
			return false
		}
	}
	return true
}
