package study

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/study/report"
)

// set is an opened data set.
type set struct {
	Set
	train, valid, test dataset.Source // nil if there is none
	dolos              string         // its name in Dolos; "" for other data
	problem            string         // why it cannot be opened
	notices            []string       // what is to be known about it
	contents           contents
}

// contents identify the sources of a set with their masks; see dataset.Contents.
type contents struct{ train, valid, test string }

// openSets opens all data sets, those for training first.
func (p *Plan) openSets(ctx context.Context) {
	f := p.File
	for i, d := range slices.Concat(f.Data, f.Tests) {
		s := &set{Set: d}
		p.sets = append(p.sets, s)
		if err := s.open(ctx, len(f.Models) == 0 && i < len(f.Data), f.Train.SkipBad, f.Evaluation.Limit); err != nil {
			s.problem = err.Error()
		}
	}
}

// open opens the test data and, if training is set, the rest. With lenient, bad pictures are not
// errors there.
func (s *set) open(ctx context.Context, training, lenient bool, limit int) error {
	base, err := s.reading()
	if err != nil {
		return err
	}
	base.Lenient = lenient
	base.Notice = func(text string) {
		if !slices.Contains(s.notices, text) { // a data set is opened once for each split
			s.notices = append(s.notices, text)
		}
	}
	if training {
		if s.train, err = s.part(ctx, s.Train, "train", base); err != nil {
			return err
		}
		if s.valid, err = s.part(ctx, s.Valid, "valid", base); err != nil {
			return err
		}
	}
	base.Lenient = true // a bad picture must not prevent the test of the others
	name := s.Test
	if name == "" && !training { // what is only tested need not have splits
		name = s.Data
	}
	test, err := s.part(ctx, name, "test", base)
	if err != nil {
		return err
	}
	if d, ok := test.(*dataset.Set); ok && d.Layout() == dataset.LayoutDolos {
		s.dolos = dolosSet(d)
	}
	s.test = dataset.Some(test, limit)
	return s.identify(ctx)
}

// identify fills in the contents.
func (s *set) identify(ctx context.Context) (err error) {
	for _, part := range []struct {
		source dataset.Source
		to     *string
	}{{s.train, &s.contents.train}, {s.valid, &s.contents.valid}, {s.test, &s.contents.test}} {
		if part.source == nil {
			continue
		}
		if *part.to, err = dataset.Contents(ctx, part.source); err != nil {
			return err
		}
	}
	return nil
}

// part opens a split of the data set, or the data set named for it. Validation data is optional.
func (s *set) part(ctx context.Context, name, split string, o dataset.Options) (dataset.Source, error) {
	switch {
	case name == "" && s.Data == "":
		return nil, nil
	case name != "":
		o.DefaultSplit = split
	default:
		name, o.Split = s.Data, split
		if split == "valid" && !hasSplit(ctx, name, split) {
			return nil, nil
		}
	}
	d, err := dataset.Open(ctx, name, o)
	if err != nil {
		return nil, err // not a nil *Set
	}
	return d, nil
}

// hasSplit reports whether a data set has a split.
func hasSplit(ctx context.Context, name, split string) bool {
	d, err := dataset.Open(ctx, name, dataset.Options{Split: dataset.All, Lenient: true, SkipMasks: true})
	if err != nil {
		return false
	}
	for i := range d.Len() {
		if d.Item(i).Split == split {
			return true
		}
	}
	return false
}

// report describes the data set.
func (s *set) report() report.Data {
	d := report.Data{Name: s.Name, Folder: s.name(), Problem: s.problem}
	var prints []string
	for _, part := range []struct {
		source dataset.Source
		count  *int
		print  string
	}{{s.train, &d.Trained, s.contents.train}, {s.valid, &d.Valid, s.contents.valid}, {s.test, &d.Tested, s.contents.test}} {
		if part.source != nil {
			*part.count = part.source.Len()
			prints = append(prints, part.print)
		}
	}
	if len(prints) > 0 {
		d.Print = hash(prints)[:12]
	}
	return d
}

// name describes where the data set comes from.
func (s *set) name() string {
	if s.Data != "" {
		return s.Data
	}
	if dir := filepath.Dir(s.Test); s.Train != "" && filepath.Dir(s.Train) == dir {
		return fmt.Sprintf("%s (%s, %s)", dir, filepath.Base(s.Train), filepath.Base(s.Test))
	}
	return strings.TrimPrefix(s.Train+", "+s.Test, ", ")
}

// dolosSets are the test sets of the paper's table.
var dolosSets = []string{"pluralistic", "lama", "repaint-p2-9k", "ldm"}

// dolosSet is the one of the paper's sets that has all manipulated pictures; "" if there is none.
func dolosSet(d *dataset.Set) string {
	found := ""
	for i := range d.Len() {
		switch name := d.Item(i).Set; {
		case name == dataset.SetReal || name == found:
		case found != "" || !slices.Contains(dolosSets, name):
			return ""
		default:
			found = name
		}
	}
	return found
}

// dolos reports whether the data are exactly the paper's four sets.
func (p *Plan) dolos() bool {
	seen := map[string]bool{}
	for _, s := range p.sets {
		if s.dolos == "" || seen[s.dolos] {
			return false
		}
		seen[s.dolos] = true
	}
	return len(seen) == len(dolosSets)
}
