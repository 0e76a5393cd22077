package study

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/files"
)

// Keys of earlier versions do not cover the masks. What was stored under such a key is adopted
// once: from then on a record next to it says with which masks, so that other masks are noticed.

// contentsFile, in the directory of an adopted training, has the key that covers the masks.
const contentsFile = "contents.txt"

// settleKey fills in the key of a run: the one that covers the masks or, for a training that an
// earlier version stored, the earlier one.
func (p *Plan) settleKey(r *Run) error {
	c := r.config
	key, err := runKey(c, "run 2", r.set.contents.train, r.set.contents.valid)
	if err != nil {
		return err
	}
	valid := ""
	if c.ValidSource != nil {
		valid = dataset.Fingerprint(c.ValidSource)
	}
	before, err := runKey(c, "run", dataset.Fingerprint(c.TrainSource), valid)
	if err != nil {
		return err
	}
	r.key = key
	if dir := p.runDir(r, before); !exists(p.runDir(r, key)) && exists(dir) {
		text, err := os.ReadFile(filepath.Join(dir, contentsFile))
		if recorded := strings.TrimSpace(string(text)); err != nil || recorded == key {
			r.key, r.contents = before, key
		}
	}
	return nil
}

// runDir is the directory of a training with the given key.
func (p *Plan) runDir(r *Run, key string) string {
	return filepath.Join(p.File.Out, "runs", fileName(r.Variant, r.Train)+"-"+key[:10])
}

// settleCell fills in the key and the file of a cell, in the way of settleKey.
func (p *Plan) settleCell(c *Cell, r *Run, threshold float64) {
	place := func(kind, contents string) (key, path string) {
		key = hash(kind, r.key, contents, threshold, c.Treatment.String(), p.File.Train.Seed)
		name := fileName(c.Run.Variant, c.Run.Train, c.Test, c.Treatment.String()) + "-" + key[:10] + ".json"
		return key, filepath.Join(p.File.Out, cellsDir, name)
	}
	c.key, c.Path = place("cell 2", c.set.contents.test)
	key, path := place("cell 1", dataset.Fingerprint(c.set.test))
	if exists(c.Path) || !exists(path) {
		return
	}
	var s stored
	if err := readJSON(path, &s); err == nil && (s.Contents == "" || s.Contents == c.set.contents.test) {
		c.key, c.Path, c.contents = key, path, c.set.contents.test
	}
}

// recordAdopted writes down with which masks the adopted results are used.
func (p *Plan) recordAdopted() error {
	for _, r := range p.Runs {
		if r.contents == "" || exists(filepath.Join(r.Dir, contentsFile)) {
			continue
		}
		if err := files.WriteBytesSynced(filepath.Join(r.Dir, contentsFile), []byte(r.contents+"\n")); err != nil {
			return err
		}
	}
	for _, c := range p.Cells {
		if c.contents == "" || c.result == nil || c.result.Contents != "" {
			continue
		}
		c.result.Contents = c.contents
		if err := writeJSON(c.Path, c.result); err != nil {
			return err
		}
	}
	return nil
}

// Notices are what is to be known about the data sets: masks that were reinterpreted, and files
// that were left out.
func (p *Plan) Notices() (list []string) {
	for _, s := range p.sets {
		list = append(list, s.notices...)
	}
	return list
}
