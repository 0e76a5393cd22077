package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// SetReal is the set of the untouched pictures in layouts that have sets.
const SetReal = "real"

// All selects every split, or every set including the untouched pictures.
const All = "all"

// Polarity says which value of a mask means manipulated.
type Polarity string

// The polarities. The zero value is the layout's: black for Dolos, white for all others.
const (
	White Polarity = "white" // 255 = manipulated
	Black Polarity = "black" // 0 = manipulated
)

// ParsePolarity reads "white", "black" or "".
func ParsePolarity(text string) (Polarity, error) {
	switch p := Polarity(strings.ToLower(strings.TrimSpace(text))); p {
	case "", White, Black:
		return p, nil
	}
	return "", fmt.Errorf("mask polarity %q: expected white (255 = manipulated) or black (0 = manipulated)", text)
}

// Options say how a data set is opened. The zero value detects the layout, takes all splits and all
// manipulated sets, and checks every pair.
type Options struct {
	Layout string // one of Layouts; "": detected
	Split  string // train, valid, test, All; "": DefaultSplit
	// DefaultSplit is used for a data set that has splits when Split is ""; "" means All.
	DefaultSplit string
	// Sets are the parts of the data set to use, such as "ldm" of Dolos; none: all but the
	// untouched pictures.
	Sets     []string
	Polarity Polarity
	// Images is the directory of the pictures that a LayoutCOCO names; "" is the file's own.
	Images string
	// Masks says which values of masks mean manipulated, where that cannot be recognised.
	Masks MaskRule
	// AllowEmpty accepts a data set all of whose masks are empty.
	AllowEmpty bool
	// SkipMasks does not look at the masks' values. Load still refuses ambiguous masks.
	SkipMasks bool
	// Notice, if set, is called once for each thing that was reinterpreted or left out, never
	// concurrently.
	Notice func(text string)
	// PairByPosition pairs the files of Tp and Gt of a LayoutMani in sorted order, as IMDLBenCo does,
	// instead of by their names.
	PairByPosition bool
	// ResizeMasks scales masks of another size to the picture's, by the nearest pixel. Otherwise
	// they are errors.
	ResizeMasks bool
	// Labels accepts pictures with a label and no mask; their samples have no mask either.
	Labels bool

	Limits picture.Limits
	// SkipSizes does not compare the sizes of pictures and masks. The comparison reads every file's
	// header, and finds a bad pair before hours of training do.
	SkipSizes bool
	// Lenient keeps pictures without a fitting mask in the data set; Load reports what is wrong
	// with each. Sizes are then not compared either.
	Lenient bool
}

// Open opens the data set at a path. After a colon the name may list, separated by commas, what to
// use of it: a split ("train", "valid", "test"), sets, "all", and "untouched" for LayoutUntouched,
// as in "dolos:ldm,real,test". The list overrides the options. Pictures are in the order of their
// file names.
//
// Errors: a *PairError for missing masks and masks of another size, a *MaskError if the masks are
// ambiguous, ErrNothingMarked if all of them are empty, one that wraps ErrEmpty if there
// are no pictures, and the operating system's errors about files.
func Open(ctx context.Context, name string, o Options) (*Set, error) {
	path, err := o.take(name)
	if err != nil {
		return nil, err
	}
	found, err := recognise(path, o)
	if err != nil {
		return nil, err
	}
	s := &Set{name: name, layout: found.layout, limits: o.Limits, resize: o.ResizeMasks, rule: o.Masks}
	var notices []string
	if s.items, notices, err = found.list(); err != nil {
		return nil, err
	}
	if o.Notice != nil {
		for _, text := range notices {
			o.Notice(text)
		}
	}
	for i := range s.items {
		switch it := &s.items[i]; {
		case o.Polarity != "":
			it.Inverted = o.Polarity == Black
		case found.layout == LayoutDolos:
			it.Inverted = true
		}
	}
	s.findLeftOut(path)
	if o.Notice != nil && len(s.leftOut) > 0 {
		o.Notice(fmt.Sprintf("%s: left out %s", name, s.leftOut))
	}
	if s.items, err = o.choose(name, s.items); err != nil {
		return nil, err
	}
	if err := s.check(ctx, o); err != nil {
		return nil, err
	}
	if !o.SkipMasks {
		if err := s.surveyMasks(ctx, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// take moves the part after the colon of a name into the options and returns the path before it.
// The name of an existing file or directory has no such part.
func (o *Options) take(name string) (path string, err error) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 || exists(name) {
		return name, nil
	}
	path = name[:at]
	if !exists(path) {
		return name, nil // the message is about the whole name
	}
	var sets []string
	for _, word := range strings.Split(name[at+1:], ",") {
		switch word = strings.TrimSpace(word); {
		case word == "":
			return "", fmt.Errorf("data set %q: expected splits or sets after the colon, separated by commas", name)
		case word == LayoutUntouched:
			o.Layout = LayoutUntouched
		case word == All:
			o.Split, sets = All, append(sets, All)
		case isSplit(word):
			o.Split = word
		default:
			sets = append(sets, word)
		}
	}
	if sets != nil {
		o.Sets = sets
	}
	return path, nil
}

// splitNames are the directory names that count as splits, and their usual names.
var splitNames = map[string]string{
	"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test", "testing": "test",
}

func isSplit(name string) bool { return splitNames[strings.ToLower(name)] != "" }

// splitOf is a split by its usual name.
func splitOf(name string) string {
	if s := splitNames[strings.ToLower(name)]; s != "" {
		return s
	}
	return name
}

// choose returns the items of the split and the sets that the options select.
func (o *Options) choose(name string, items []item) ([]item, error) {
	splits, sets := kinds(items)
	split := splitOf(o.Split)
	if split == "" && len(splits) > 0 {
		split = splitOf(o.DefaultSplit)
	}
	if split != "" {
		if err := has(name, "split", splits, split); err != nil {
			return nil, err
		}
	}
	for _, set := range o.Sets {
		if err := has(name, "set", sets, set); err != nil {
			return nil, err
		}
	}
	onlyReal := len(sets) == 1 && sets[0] == SetReal
	chosen := slices.DeleteFunc(items, func(it item) bool {
		if split != "" && split != All && it.Split != split {
			return true
		}
		if len(o.Sets) == 0 {
			return it.Set == SetReal && !onlyReal
		}
		return !slices.Contains(o.Sets, All) && !slices.Contains(o.Sets, it.Set)
	})
	if len(chosen) == 0 {
		return nil, fmt.Errorf("data set %s: nothing of set %s is in split %s: %w", name, strings.Join(o.Sets, ", "), split, ErrEmpty)
	}
	return chosen, nil
}

// has is an error if a data set lacks the wanted split or set.
func has(name, kind string, list []string, wanted string) error {
	switch {
	case wanted == All || slices.Contains(list, wanted):
		return nil
	case len(list) == 0:
		return fmt.Errorf("data set %s has no %ss: expected one named %q", name, kind, wanted)
	}
	return fmt.Errorf("data set %s has no %s %q: it has %s", name, kind, wanted, strings.Join(list, ", "))
}

// kinds lists the splits and the sets of items.
func kinds(items []item) (splits, sets []string) {
	for _, it := range items {
		if it.Split != "" && !slices.Contains(splits, it.Split) {
			splits = append(splits, it.Split)
		}
		if it.Set != "" && !slices.Contains(sets, it.Set) {
			sets = append(sets, it.Set)
		}
	}
	slices.Sort(splits)
	slices.Sort(sets)
	return splits, sets
}

func isPicture(name string) bool {
	return !strings.HasPrefix(name, ".") && picture.HasExtension(name)
}

func stemOf(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// pictureNames lists the picture files of a directory, sorted by stem, then by name. If there are
// none the error wraps ErrEmpty.
func pictureNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && isPicture(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("data set %s: %w", dir, ErrEmpty)
	}
	slices.SortFunc(names, func(a, b string) int {
		if byStem := strings.Compare(stemOf(a), stemOf(b)); byStem != 0 {
			return byStem
		}
		return strings.Compare(a, b)
	})
	return names, nil
}

// splitFolders lists the directories in dir that are named as splits.
func splitFolders(dir string) []string {
	entries, _ := os.ReadDir(dir) // an unreadable one has none
	var names []string
	for _, e := range entries {
		if isSplit(e.Name()) && isFolder(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// listUntouched lists the pictures of a directory tree.
func listUntouched(dir string) ([]item, error) {
	found := picture.Find(dir, nil)
	for _, err := range found.Failed {
		return nil, fmt.Errorf("data set %s: %w", dir, err)
	}
	var items []item
	for _, path := range found.Pictures {
		it := item{Item: Item{Image: path, Label: Untouched}, name: filepath.Base(path)}
		for _, part := range strings.Split(filepath.ToSlash(path[len(dir):]), "/") {
			if isSplit(part) {
				it.Split = splitOf(part)
			}
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("data set %s: %w", dir, ErrEmpty)
	}
	return items, nil
}
