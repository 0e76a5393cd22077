package powerloss

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// State is what one power failure left.
type State struct {
	Dir      string // a copy of the recorded directory
	Changes  int    // recorded changes that were made before the failure
	Finished bool   // all were
}

// Replay calls check for everything that a power failure after each recorded change may leave, and
// returns how many different states that were. check may change the directory.
func (r *Recorder) Replay(check func(t testing.TB, s State)) int {
	r.t.Helper()
	d, seen := newDisk(r), map[[32]byte]bool{}
	for n := range len(r.changes) + 1 {
		if n > 0 {
			d.apply(r.changes[n-1])
		}
		finished := n == len(r.changes)
		for names := range d.unsynced() + 1 {
			for _, contents := range d.variants() {
				files := map[string][]byte{}
				for path, id := range d.names(names) {
					files[path] = contents[id]
				}
				if sum := digest(files, finished); !seen[sum] {
					seen[sum] = true
					r.check(State{r.restore(files), n, finished}, check)
				}
			}
		}
	}
	return len(seen)
}

// variants are the contents of all files that the model allows: the same outcome for all files, and
// for each file another one than for the rest.
func (d *disk) variants() (list [][][]byte) {
	for _, of := range outcomes {
		list = append(list, d.contents(of))
	}
	for i := range d.pending {
		if len(d.pending[i]) == 0 {
			continue
		}
		for _, of := range outcomes[1:] {
			contents := d.contents(everything)
			contents[i] = of(d.synced[i], d.pending[i])
			list = append(list, contents)
			contents = d.contents(nothing)
			contents[i] = of(d.synced[i], d.pending[i])
			list = append(list, contents)
		}
	}
	return list
}

func digest(files map[string][]byte, finished bool) (sum [32]byte) {
	h := sha256.New()
	fmt.Fprintln(h, finished)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %x\n", path, sha256.Sum256(files[path]))
	}
	return [32]byte(h.Sum(nil))
}

// restore writes files into a new directory.
func (r *Recorder) restore(files map[string][]byte) string {
	r.t.Helper()
	dir, err := os.MkdirTemp(r.scratch, "state")
	if err != nil {
		r.t.Fatal(err)
	}
	for path, data := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	return dir
}

// check judges one state, and keeps the disk free of the others.
func (r *Recorder) check(s State, check func(t testing.TB, s State)) {
	r.t.Helper()
	defer os.RemoveAll(s.Dir)
	failed := r.t.Failed()
	check(r.t, s)
	if r.t.Failed() && !failed {
		r.t.Logf("after %d of %d changes, the last of them %s", s.Changes, len(r.changes), r.last(s.Changes))
	}
}

func (r *Recorder) last(n int) string {
	if n == 0 {
		return "none"
	}
	c := r.changes[n-1]
	return fmt.Sprintf("op %d of %s %s, %d bytes", c.Op, filepath.Base(c.Path), filepath.Base(c.To), len(c.Data))
}
