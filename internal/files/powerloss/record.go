package powerloss

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/files"
)

// Recorder records the changes in a directory.
type Recorder struct {
	t       testing.TB
	root    string
	scratch string // for what Replay restores
	stop    func()

	mu      sync.Mutex
	start   map[string][]byte // the files before the first change, by their paths below root
	changes []files.Change
	handles map[uint64]bool // of files below root
}

// Record begins to record the changes below root. Existing files count as synced. One
// recording is possible at a time, until Stop.
func Record(t testing.TB, root string) *Recorder {
	t.Helper()
	r := &Recorder{t: t, root: filepath.Clean(root), scratch: t.TempDir(), start: readFiles(t, root), handles: map[uint64]bool{}}
	r.stop = files.Observe(r.record)
	t.Cleanup(r.stop)
	return r
}

func (r *Recorder) record(c files.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.Op == files.OpOpened && r.inside(c.Path):
		r.handles[c.Handle] = true
	case c.Path == "" && !r.handles[c.Handle], c.Path != "" && !r.inside(c.Path):
		return
	}
	r.changes = append(r.changes, c)
}

func (r *Recorder) inside(path string) bool {
	path = filepath.Clean(path)
	return path == r.root || strings.HasPrefix(path, r.root+string(filepath.Separator))
}

// Stop ends the recording. Without changes the test fails: what it is about went past package
// files.
func (r *Recorder) Stop() {
	r.t.Helper()
	r.stop()
	if len(r.changes) == 0 {
		r.t.Fatal("no change was recorded")
	}
	// What was recorded must be what happened, or a replay means nothing.
	got, want := newDisk(r), readFiles(r.t, r.root)
	for _, c := range r.changes {
		got.apply(c)
	}
	names, contents := got.names(len(got.renames)), got.contents(everything)
	for path, data := range want {
		if id, ok := names[path]; !ok || string(contents[id]) != string(data) {
			r.t.Fatalf("%s was changed in other ways than through package files", path)
		}
	}
	if len(names) != len(want) {
		r.t.Fatalf("files %q are recorded, there are %q", slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(want)))
	}
}

// readFiles reads all files below root, by their paths below it.
func readFiles(t testing.TB, root string) map[string][]byte {
	t.Helper()
	list := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		list[name] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
