package check

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/dataset"
)

// Kinds of findings.
const (
	Missing     = "missing"     // a mask, or a picture of a list, does not exist
	Unreadable  = "unreadable"  // a picture or mask cannot be decoded
	Size        = "size"        // a mask has another size than its picture
	EmptyMask   = "empty mask"  // the mask of a manipulated picture marks nothing
	FullMask    = "full mask"   // a mask marks everything
	Levels      = "levels"      // values of a mask are ambiguous or reinterpreted
	Conflict    = "conflict"    // the mask of a picture labelled untouched marks something
	Duplicate   = "duplicate"   // the same pixels in two splits
	Repeated    = "repeated"    // the same pixels twice in one split
	Polarity    = "polarity"    // masks seem to be inverted
	Unlabelled  = "no truth"    // neither mask nor label
	ResizedMask = "resized"     // a mask of another size is scaled
	SoftMask    = "soft mask"   // a mask has many values between 0 and 255; over 127 counts
	Orientation = "orientation" // an EXIF orientation, which is not applied to the pixels
)

// Finding is a fact about a file that the user of the data set should know.
type Finding struct {
	Kind   string `json:"kind"`
	File   string `json:"file"`
	Detail string `json:"detail"`
	Wrong  bool   `json:"wrong"` // a mistake, not just a note
}

// Group counts the pictures with the same split, set and method.
type Group struct {
	Split       string `json:"split,omitempty"`
	Set         string `json:"set,omitempty"`
	Method      string `json:"method,omitempty"`
	Pictures    int    `json:"pictures"`
	Manipulated int    `json:"manipulated"` // by mask or label
	Untouched   int    `json:"untouched"`
	Unknown     int    `json:"unknown"` // neither a readable mask nor a label
	// Marked is the mean share of the pixels that masks mark, over the manipulated pictures with
	// readable masks.
	Marked float64 `json:"marked"`

	masks int
}

// Dimensions is a picture's size in pixels, and the number of pictures of this size.
type Dimensions struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	Count  int `json:"count,omitempty"`
}

// Report describes a data set.
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
	// FilesLeftOut counts the files next to the pictures that are not pictures, by extension.
	FilesLeftOut map[string]int `json:"files_left_out,omitempty"`
}

// newReport sums up what is known of all pictures.
func newReport(set *dataset.Set, all []looked) *Report {
	r := &Report{Layout: set.Layout(), Pictures: len(all)}
	if left := set.LeftOut(); len(left) > 0 {
		r.FilesLeftOut = left.Counts()
	}
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
	return r
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
				g.Marked += l.mask.Marked(l.item.Inverted)
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

// splitRank sorts train before valid, valid before test, and these before others.
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

// duplicates finds pictures with the same pixels.
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
