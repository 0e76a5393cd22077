package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// What a note is about.
const (
	noteBegin  = "begin"  // the write of an object is asked for
	noteEnd    = "end"    // the write of an object is answered
	noteAsked  = "asked"  // a job is being submitted
	noteJob    = "job"    // a submitted job is answered
	noteOver   = "over"   // a job is over
	noteKnown  = "known"  // a job that was there at the start
	noteListed = "listed" // all jobs at the start were noted
	noteIdle   = "idle"   // all jobs are over
	noteProbe  = "probe"  // the write of a key of the queue is answered
	noteFound  = "found"  // such keys that were there at the start
)

// note is a line about what was asked and answered, outside of the disk whose power is cut.
type note struct {
	At   int64  `json:"at"` // nanoseconds since 1970
	What string `json:"what"`
	// Key is that of an object or of a submission.
	Key string `json:"key,omitempty"`
	// Number pairs the begin and the end of a write.
	Number int64 `json:"number,omitempty"`
	// SHA256 is that of an object's contents; "" if it is deleted.
	SHA256 string   `json:"sha256,omitempty"`
	Job    string   `json:"job,omitempty"`
	State  string   `json:"state,omitempty"`
	Found  []string `json:"found,omitempty"` // keys
}

// notebook writes notes. Each is in the file before add returns, so that a kill loses none.
type notebook struct {
	mu     sync.Mutex
	file   io.Writer
	number int64
}

func (b *notebook) add(n note) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(n)
}

func (b *notebook) write(n note) error {
	n.At = time.Now().UnixNano()
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = b.file.Write(append(line, '\n'))
	return err
}

// change notes the change of an object around do.
func (b *notebook) change(key, sum string, do func() error) error {
	b.mu.Lock()
	b.number++
	n := note{What: noteBegin, Key: key, Number: b.number, SHA256: sum}
	err := b.write(n)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	n.What = noteEnd
	return b.add(n)
}

// readNotes reads the whole lines of a file of notes.
func readNotes(path string) (list []note, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var n note
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, n)
	}
	return list, lines.Err()
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
