package tensorboard

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/files"
)

// TensorBoard finds files by the prefix of their names; the suffix marks those of declip.
const (
	prefix = "events.out.tfevents."
	suffix = ".declip"
)

// Scalar is a value of a curve.
type Scalar struct {
	Tag   string // name of the curve; the part before a slash groups curves
	Value float64
}

// Image is a picture at a step of a series.
type Image struct {
	Tag           string
	Width, Height int // pixels
	PNG           []byte
}

// Event is one record of a file.
type Event struct {
	Time    time.Time
	Step    int64
	Version string // set in the first event of a file: "brain.Event:2"
	Start   bool   // a run starts or resumes at Step: viewers drop later values
	Scalars []Scalar
	Images  []Image
}

// Mark is the state of the event files of a directory at one moment: their lengths in bytes by
// name.
type Mark map[string]int64

// Writer appends events to a file of its own in a directory. Every event reaches the operating
// system before the call returns, so that killing the process loses none. A Writer is for one
// goroutine.
type Writer struct {
	file *files.File
	size int64
	past Mark // of the files of earlier runs
}

// Open starts a new event file in dir, for events from the given step on. The first run of a
// training passes an empty mark, a resumed run the mark of the state that it resumes. Later
// contents of declip's files in the directory are removed, so that every step is there once. Files
// of other programs are not touched.
func Open(dir string, mark Mark, step int64) (*Writer, error) {
	past, err := Rewind(dir, mark)
	if err != nil {
		return nil, err
	}
	file, err := create(dir, past)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: file, past: past}
	for _, e := range []Event{{Version: "brain.Event:2"}, {Step: step, Start: true}} {
		if err := w.write(e); err != nil {
			file.Close()
			return nil, err
		}
	}
	return w, nil
}

// create makes a file whose name sorts behind all others: TensorBoard reads a directory's files in
// the order of their names.
func create(dir string, past Mark) (*files.File, error) {
	second := time.Now().Unix()
	for name := range past {
		var was int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, prefix), "%d", &was); err == nil {
			second = max(second, was+1)
		}
	}
	for {
		path := filepath.Join(dir, fmt.Sprintf("%s%010d%s", prefix, second, suffix))
		file, err := files.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
		if !os.IsExist(err) {
			return file, err
		}
		second++
	}
}

// Rewind returns the event files in dir to a mark: longer files are truncated at the end of a whole
// event, and files that the mark does not contain are removed. It returns the mark of the result.
func Rewind(dir string, mark Mark) (Mark, error) {
	names, err := Files(dir)
	if err != nil {
		return nil, err
	}
	left := Mark{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		size, known := mark[name]
		if !known {
			if err := files.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		whole, err := wholeLength(path, size)
		if err != nil {
			return nil, err
		}
		if err := files.Truncate(path, whole); err != nil {
			return nil, err
		}
		left[name] = whole
	}
	return left, nil
}

// Files lists the names of declip's event files in dir, the oldest first; none if there is no such
// directory.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Scalars adds values at a step.
func (w *Writer) Scalars(step int64, values ...Scalar) error {
	return w.write(Event{Step: step, Scalars: values})
}

// Images adds pictures at a step.
func (w *Writer) Images(step int64, images ...Image) error {
	return w.write(Event{Step: step, Images: images})
}

// write adds one event. After a failed write, the incomplete event is cut off.
func (w *Writer) write(e Event) error {
	e.Time = time.Now()
	n, err := w.file.Write(frame(e.encode()))
	if err != nil {
		_ = w.file.Truncate(w.size) // readers stop at a torn event anyway
		return err
	}
	w.size += int64(n)
	return nil
}

// Mark is the present state of the directory's files.
func (w *Writer) Mark() Mark {
	mark := Mark{filepath.Base(w.file.Name()): w.size}
	for name, size := range w.past {
		mark[name] = size
	}
	return mark
}

// Sync brings all events to disk.
func (w *Writer) Sync() error { return w.file.Sync() }

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
