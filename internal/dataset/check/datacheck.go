// Package check looks a data set over before it is used: what is in it, what is missing, broken or
// doubtful, which way round its masks are, and what it looks like on one sheet.
package check

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// Kinds of findings.
const (
	Missing     = "missing"     // a mask, or a picture of a list, is not there
	Unreadable  = "unreadable"  // a picture or mask that can't be decoded
	Size        = "size"        // a mask of another size than its picture
	EmptyMask   = "empty mask"  // nothing is marked in a picture that was manipulated
	FullMask    = "full mask"   // everything is marked
	Levels      = "levels"      // a mask without a value over one half, as those that are stored as 0 and 1
	Conflict    = "conflict"    // a picture that is labelled untouched has a mask that marks something
	Duplicate   = "duplicate"   // the same pixels in two splits
	Repeated    = "repeated"    // the same pixels twice in one split
	Polarity    = "polarity"    // masks are the other way round than they are read
	Unlabelled  = "no truth"    // neither mask nor label
	ResizedMask = "resized"     // a mask of another size that is scaled
	SoftMask    = "soft mask"   // a mask with much between 0 and 255, of which over 127 counts
	Orientation = "orientation" // an EXIF orientation, which is not applied to the pixels
)

// Finding is something about a file that somebody should know.
type Finding struct {
	Kind   string `json:"kind"`
	File   string `json:"file"`
	Detail string `json:"detail"`
	Wrong  bool   `json:"wrong"` // false for what is only worth knowing
}

// Group counts the pictures that share split, set and method.
type Group struct {
	Split       string `json:"split,omitempty"`
	Set         string `json:"set,omitempty"`
	Method      string `json:"method,omitempty"`
	Pictures    int    `json:"pictures"`
	Manipulated int    `json:"manipulated"` // by mask or label
	Untouched   int    `json:"untouched"`
	Unknown     int    `json:"unknown"` // could not be told
	// Marked is the mean share of the pixels that masks mark, over the manipulated pictures with
	// readable masks.
	Marked float64 `json:"marked"`

	masks int
}

// Dimensions are pixels.
type Dimensions struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	Count  int `json:"count,omitempty"`
}

// Report is what was found.
type Report struct {
	Data     string  `json:"data"`
	Layout   string  `json:"layout"`
	Pictures int     `json:"pictures"`
	Groups   []Group `json:"groups"`
	// Smallest and Largest by area; Sizes are the most common, at most five of SizeKinds.
	Smallest  Dimensions   `json:"smallest"`
	Largest   Dimensions   `json:"largest"`
	Sizes     []Dimensions `json:"sizes"`
	SizeKinds int          `json:"size_kinds"`
	Polarity  []Guess      `json:"polarity"`
	Findings  []Finding    `json:"findings"`
	Wrong     int          `json:"wrong"` // findings that are wrong
}

// Options of Run.
type Options struct {
	Limits      picture.Limits
	ResizeMasks bool // masks of another size are scaled when the data is used
	Workers     int  // files at a time; 0 means as many as the process may use cores
	// Done, if set, hears how many pictures are finished, one call at a time.
	Done func(done, total int)
}

// looked is what one picture and its mask turned out to be.
type looked struct {
	item        dataset.Item
	w, h        int
	digest      [sha256.Size]byte
	readable    bool
	mask        *maskFacts // nil without a readable mask
	manipulated bool
	known       bool // whether it was manipulated
	findings    []Finding
}

// Run reads every picture and mask of a data set, which should be opened leniently. Its error is
// that the work was called off.
func Run(ctx context.Context, set *dataset.Set, o Options) (*Report, error) {
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	all := make([]looked, set.Len())
	group, inner := parallel.WithContext(ctx)
	group.SetLimit(o.Workers)
	var mu sync.Mutex
	done := 0
	for i := range all {
		group.Go(func() error {
			if inner.Err() != nil {
				return context.Cause(inner)
			}
			all[i] = look(set.Item(i), set.Problem(i), o)
			mu.Lock()
			defer mu.Unlock()
			done++
			if o.Done != nil {
				o.Done(done, len(all))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	r := &Report{Layout: set.Layout(), Pictures: len(all)}
	r.count(all)
	r.measure(all)
	for _, l := range all {
		r.Findings = append(r.Findings, l.findings...)
	}
	r.Findings = append(r.Findings, duplicates(all)...)
	r.guess(all)
	for _, f := range r.Findings {
		if f.Wrong {
			r.Wrong++
		}
	}
	return r, nil
}

// look reads a picture and its mask.
func look(item dataset.Item, problem string, o Options) looked {
	l := looked{item: item, known: item.Label != dataset.Unlabelled, manipulated: item.Label == dataset.Manipulated}
	find := func(kind, file string, wrong bool, format string, args ...any) {
		l.findings = append(l.findings, Finding{kind, file, fmt.Sprintf(format, args...), wrong})
	}
	if problem != "" {
		find(Missing, item.Image, true, "%s", problem)
	}
	decoded, err := picture.Open(item.Image, o.Limits)
	switch {
	case err == nil:
		l.readable, l.w, l.h, l.digest = true, decoded.Width, decoded.Height, digest(decoded.RGB)
		if decoded.Orientation > 1 {
			find(Orientation, item.Image, false, "EXIF orientation %d is not applied: the mask must lie on the stored pixels", decoded.Orientation)
		}
	case problem == "":
		find(Unreadable, item.Image, true, "%v", err)
	}
	if item.Mask == "" || problem != "" {
		if problem == "" && !l.known {
			find(Unlabelled, item.Image, true, "has neither a mask nor a label")
		}
		return l
	}
	mask, err := picture.OpenGray(item.Mask, o.Limits)
	if err != nil {
		find(Unreadable, item.Mask, true, "%v", err)
		return l
	}
	if l.readable && (mask.Width != l.w || mask.Height != l.h) {
		kind := Size
		if o.ResizeMasks {
			kind = ResizedMask
		}
		find(kind, item.Mask, !o.ResizeMasks, "is %d x %d, its picture %s is %d x %d", mask.Width, mask.Height, item.Image, l.w, l.h)
	}
	l.mask = measureMask(mask)
	l.judgeMask(find)
	return l
}

// judgeMask says what is odd about a mask.
func (l *looked) judgeMask(find func(kind, file string, wrong bool, format string, args ...any)) {
	m := l.mask
	marked := m.marked(l.item.Inverted)
	// Who says that a picture was manipulated? A method does, unless it is named as forge names
	// untouched ones.
	said := l.item.Label == dataset.Manipulated || l.item.Method != "" && !untouchedMethods[l.item.Method]
	switch {
	case marked == 0 && m.highest > 0 && m.highest <= 127 && !l.item.Inverted:
		find(Levels, l.item.Mask, true, "its values go up to %d only, and over 127 counts as manipulated: store 0 and 255", m.highest)
	case l.item.Label == dataset.Untouched && marked > 0:
		find(Conflict, l.item.Mask, true, "marks %.1f %% of a picture that is labelled untouched", 100*marked)
	case marked == 0 && said:
		find(EmptyMask, l.item.Mask, true, "marks nothing, but the picture is said to be manipulated")
	case marked == 1:
		find(FullMask, l.item.Mask, true, "marks the whole picture")
	case m.soft > 0.05:
		find(SoftMask, l.item.Mask, false, "%.0f %% of its pixels lie between 0 and 255; over 127 counts as manipulated", 100*m.soft)
	}
	if !l.known {
		l.known, l.manipulated = true, marked > 0
	}
}

// untouchedMethods are what makers of data sets call untouched pictures.
var untouchedMethods = map[string]bool{"pristine": true, "untouched": true, "real": true, "authentic": true, "none": true}

func digest(p *picture.RGB) [sha256.Size]byte {
	hash := sha256.New()
	var size [16]byte
	binary.LittleEndian.PutUint64(size[:], uint64(p.Width))
	binary.LittleEndian.PutUint64(size[8:], uint64(p.Height))
	hash.Write(size[:])
	hash.Write(p.Pix)
	return [sha256.Size]byte(hash.Sum(nil))
}

// count fills in the groups.
func (r *Report) count(all []looked) {
	groups := map[[3]string]*Group{}
	for _, l := range all {
		key := [3]string{l.item.Split, l.item.Set, l.item.Method}
		g := groups[key]
		if g == nil {
			g = &Group{Split: key[0], Set: key[1], Method: key[2]}
			groups[key] = g
		}
		g.Pictures++
		switch {
		case !l.known:
			g.Unknown++
		case !l.manipulated:
			g.Untouched++
		default:
			g.Manipulated++
			if l.mask != nil {
				g.masks++
				g.Marked += l.mask.marked(l.item.Inverted)
			}
		}
	}
	for _, g := range groups {
		if g.masks > 0 {
			g.Marked /= float64(g.masks)
		}
		r.Groups = append(r.Groups, *g)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Set, b.Set), cmp.Compare(splitRank(a.Split), splitRank(b.Split)), cmp.Compare(a.Split, b.Split), cmp.Compare(a.Method, b.Method))
	})
}

// splitRank puts the usual splits in their usual order.
func splitRank(split string) int {
	if at := slices.Index([]string{"train", "valid", "test"}, split); at >= 0 {
		return at
	}
	return 3
}

// measure fills in the sizes.
func (r *Report) measure(all []looked) {
	const shown = 5
	counts := map[Dimensions]int{}
	for _, l := range all {
		if l.readable {
			counts[Dimensions{Width: l.w, Height: l.h}]++
		}
	}
	for d, n := range counts {
		d.Count = n
		r.Sizes = append(r.Sizes, d)
	}
	if r.SizeKinds = len(r.Sizes); r.SizeKinds == 0 {
		return
	}
	byArea := func(a, b Dimensions) int {
		return cmp.Or(cmp.Compare(a.Width*a.Height, b.Width*b.Height), cmp.Compare(a.Width, b.Width))
	}
	r.Smallest, r.Largest = slices.MinFunc(r.Sizes, byArea), slices.MaxFunc(r.Sizes, byArea)
	r.Smallest.Count, r.Largest.Count = 0, 0
	slices.SortFunc(r.Sizes, func(a, b Dimensions) int { return cmp.Or(cmp.Compare(b.Count, a.Count), byArea(a, b)) })
	r.Sizes = r.Sizes[:min(shown, len(r.Sizes))]
}

// duplicates finds pictures of the same pixels.
func duplicates(all []looked) []Finding {
	first := map[[sha256.Size]byte]*looked{}
	var list []Finding
	for i := range all {
		l := &all[i]
		if !l.readable {
			continue
		}
		before := first[l.digest]
		switch {
		case before == nil:
			first[l.digest] = l
		case before.item.Image == l.item.Image && before.item.Mask == l.item.Mask && before.item.Split == l.item.Split:
			list = append(list, Finding{Repeated, l.item.Image, "is listed twice", false})
		case before.item.Split != l.item.Split:
			list = append(list, Finding{Duplicate, l.item.Image, fmt.Sprintf("in split %q has the pixels of %s in split %q", l.item.Split, before.item.Image, before.item.Split), true})
		default:
			list = append(list, Finding{Repeated, l.item.Image, "has the pixels of " + before.item.Image, false})
		}
	}
	return list
}
