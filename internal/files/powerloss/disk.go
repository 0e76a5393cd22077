package powerloss

import (
	"maps"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// disk is what a file system has in memory and on the disk.
type disk struct {
	recorder *Recorder
	synced   [][]byte       // contents of each file on the disk
	pending  [][]change     // changes of each file that are not
	current  map[string]int // files by their paths
	handles  map[uint64]int
	start    map[string]int
	renames  []naming // since the start
}

// change writes data at offset, or truncates if data is nil.
type change struct {
	offset int64
	data   []byte
}

// naming is a change of names: at path is now file, negative for none; at from, if set, is
// none.
type naming struct {
	path   string
	from   string
	file   int
	synced bool
}

func newDisk(r *Recorder) *disk {
	d := &disk{recorder: r, current: map[string]int{}, handles: map[uint64]int{}}
	for path, data := range r.start {
		d.current[path] = d.add(data)
	}
	d.start = maps.Clone(d.current)
	return d
}

func (d *disk) add(data []byte) int {
	d.synced, d.pending = append(d.synced, data), append(d.pending, nil)
	return len(d.synced) - 1
}

func (d *disk) path(path string) string {
	rel, err := filepath.Rel(d.recorder.root, path)
	if err != nil {
		return path
	}
	return rel
}

// apply makes one recorded change.
func (d *disk) apply(c files.Change) {
	path := d.path(c.Path)
	switch c.Op {
	case files.OpOpened:
		id, ok := d.current[path]
		if !ok {
			id = d.add(nil)
			d.current[path] = id
			d.renames = append(d.renames, naming{path: path, file: id})
		}
		d.handles[c.Handle] = id
	case files.OpWritten:
		id := d.handles[c.Handle]
		if len(c.Data) > 0 {
			d.pending[id] = append(d.pending[id], change{c.Offset, c.Data})
		}
	case files.OpTruncated:
		id := d.handles[c.Handle]
		d.pending[id] = append(d.pending[id], change{c.Offset, nil})
	case files.OpSynced:
		id := d.handles[c.Handle]
		d.synced[id], d.pending[id] = everything(d.synced[id], d.pending[id]), nil
	case files.OpRenamed:
		to := d.path(c.To)
		id := d.current[path]
		delete(d.current, path)
		d.current[to] = id
		d.renames = append(d.renames, naming{path: to, from: path, file: id})
	case files.OpLinked:
		to, id := d.path(c.To), d.current[path]
		d.current[to] = id
		d.renames = append(d.renames, naming{path: to, file: id})
	case files.OpRemoved:
		delete(d.current, path)
		d.renames = append(d.renames, naming{path: path, file: -1})
	case files.OpDirSynced:
		for i, n := range d.renames {
			if filepath.Dir(n.path) == path {
				d.renames[i].synced = true
			}
		}
	}
}

// unsynced is the number of changes of names that may be lost.
func (d *disk) unsynced() (n int) {
	for _, r := range d.renames {
		if !r.synced {
			n++
		}
	}
	return n
}

// names are the files by their paths after the synced changes of names and the first n others.
func (d *disk) names(n int) map[string]int {
	list := maps.Clone(d.start)
	for _, r := range d.renames {
		if !r.synced {
			if n == 0 {
				continue
			}
			n--
		}
		if r.from != "" {
			delete(list, r.from)
		}
		if list[r.path] = r.file; r.file < 0 {
			delete(list, r.path)
		}
	}
	return list
}

// outcome is what becomes of the pending changes of a file.
type outcome func(synced []byte, pending []change) []byte

// outcomes are the cases of the model. All writes of a file may be lost, but for parts.
var outcomes = []outcome{everything, nothing, half, late, zeros}

func (d *disk) contents(of outcome) [][]byte {
	list := make([][]byte, len(d.synced))
	for i := range list {
		list[i] = of(d.synced[i], d.pending[i])
	}
	return list
}

func (c change) apply(data []byte) []byte {
	end := c.offset + int64(len(c.data))
	grown := make([]byte, max(end, int64(len(data))))
	copy(grown, data)
	if c.data == nil {
		return grown[:end]
	}
	copy(grown[c.offset:], c.data)
	return grown
}

func everything(data []byte, pending []change) []byte {
	for _, c := range pending {
		data = c.apply(data)
	}
	return data
}

func nothing(data []byte, _ []change) []byte { return data }

// half cuts the last write, and keeps what was before.
func half(data []byte, pending []change) []byte {
	if len(pending) == 0 {
		return data
	}
	last := pending[len(pending)-1]
	data = everything(data, pending[:len(pending)-1])
	if last.data == nil {
		return data
	}
	return change{last.offset, last.data[:(len(last.data)+1)/2]}.apply(data)
}

// late keeps the last write only.
func late(data []byte, pending []change) []byte {
	return everything(data, pending[max(0, len(pending)-1):])
}

// zeros keeps the sizes, and none of the contents.
func zeros(data []byte, pending []change) []byte {
	for _, c := range pending {
		if c.data != nil {
			c.data = make([]byte, len(c.data))
		}
		data = c.apply(data)
	}
	return data
}
