package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// Layouts of data sets.
const (
	// LayoutFolder is images/NAME.EXT with masks/NAME.png beside them, and optionally manifest.jsonl, one JSON object a
	// line, whose "method" is taken for the picture that its "name" or "image" names. Splits are folders below both
	// (images/train, masks/train) or above (train/images, train/masks).
	LayoutFolder = "folder"
	// LayoutDolos is fake/SET/images/SPLIT with fake/SET/masks/SPLIT, whose masks are inverted, and real/SPLIT.
	LayoutDolos = "dolos"
	// LayoutAutoSplice is Forged_JPEG75, Forged_JPEG90 and Forged_JPEG100 with Mask/NAME_mask.png, where NAME is the
	// picture's up to its last _, and optionally Authentic. The sets are JPEG75, JPEG90, JPEG100 and real.
	LayoutAutoSplice = "autosplice"
	// LayoutList is a CSV or JSONL file with a picture a line; see readList.
	LayoutList = "list"
	// LayoutUntouched is a folder of pictures that nobody manipulated, looked for in the folders below, too.
	LayoutUntouched = "untouched"
)

// Layouts lists them, in the order in which they are looked for.
var Layouts = []string{LayoutList, LayoutDolos, LayoutAutoSplice, LayoutFolder, LayoutUntouched}

// SetReal is the set of the untouched pictures in layouts that have sets.
const SetReal = "real"

// All stands for every split, or every set, those of untouched pictures included.
const All = "all"

// Polarity says what masks mean.
type Polarity string

// The polarities. The zero value is what the layout says: black for Dolos, white for all others.
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

// Options say how a data set is opened. The zero value is the usual way.
type Options struct {
	Layout string // one of Layouts; "": recognised
	Split  string // train, valid, test, All; "": DefaultSplit
	// DefaultSplit is taken of a data set that has splits where none is asked for; "" means All.
	DefaultSplit string
	// Sets are the parts of the data set to take, as "ldm" of Dolos; none: all but the untouched pictures.
	Sets     []string
	Polarity Polarity
	// ResizeMasks scales masks of another size to the picture's, by the nearest pixel. Without it they are errors.
	ResizeMasks bool
	// Labels admits pictures that come with a label and no mask; their samples have none.
	Labels bool

	Limits picture.Limits
	// SkipSizes leaves out the look into every file's header for the sizes of picture and mask,
	// which otherwise finds a bad pair before hours of training do.
	SkipSizes bool
	// Lenient keeps pictures without a fitting mask in the data set, for Load to say what is wrong with each. Sizes
	// are then not looked at beforehand either.
	Lenient bool
}

// Open opens the data set at a path. After a colon may follow, parted by commas, what to take of it: a split ("train",
// "valid", "test"), sets, "all", and "untouched" for LayoutUntouched, as in "dolos:ldm,real,test"; these go before the
// options. Pictures are in the order of their file names.
//
// Errors: a *PairError for missing or mis-sized masks, one that wraps ErrEmpty where there are no pictures, and
// what the operating system says about files that cannot be read.
func Open(ctx context.Context, name string, o Options) (*Set, error) {
	path, err := o.take(name)
	if err != nil {
		return nil, err
	}
	found, err := recognise(path, o.Layout)
	if err != nil {
		return nil, err
	}
	s := &Set{name: name, layout: found.layout, limits: o.Limits, resize: o.ResizeMasks}
	if s.items, err = found.list(); err != nil {
		return nil, err
	}
	for i := range s.items {
		switch it := &s.items[i]; {
		case o.Polarity != "":
			it.Inverted = o.Polarity == Black
		case found.layout == LayoutDolos:
			it.Inverted = true
		}
	}
	if s.items, err = o.choose(name, s.items); err != nil {
		return nil, err
	}
	if err := s.check(ctx, o); err != nil {
		return nil, err
	}
	return s, nil
}

// take takes the part after the colon of a name into the options and gives the path before it. A path that is there
// is taken as it is.
func (o *Options) take(name string) (path string, err error) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 || exists(name) {
		return name, nil
	}
	path = name[:at]
	if !exists(path) {
		return name, nil // the message is about the whole
	}
	var sets []string
	for _, word := range strings.Split(name[at+1:], ",") {
		switch word = strings.TrimSpace(word); {
		case word == "":
			return "", fmt.Errorf("data set %q: expected splits or sets after the colon, parted by commas", name)
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

// splitNames are the folder names that count as splits, and what they are called here.
var splitNames = map[string]string{"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test", "testing": "test"}

func isSplit(name string) bool { return splitNames[strings.ToLower(name)] != "" }

// splitOf is a split by its usual name.
func splitOf(name string) string {
	if s := splitNames[strings.ToLower(name)]; s != "" {
		return s
	}
	return name
}

// choose leaves the items of the split and the sets that were asked for.
func (o *Options) choose(name string, items []item) ([]item, error) {
	splits, sets := kinds(items)
	split := splitOf(o.Split)
	if split == "" && len(splits) > 0 {
		split = splitOf(o.DefaultSplit)
	}
	if split != "" && split != All && !slices.Contains(splits, split) {
		if len(splits) == 0 {
			return nil, fmt.Errorf("data set %s has no splits: expected one named %q", name, split)
		}
		return nil, fmt.Errorf("data set %s has no split %q: it has %s", name, split, strings.Join(splits, ", "))
	}
	for _, set := range o.Sets {
		if set != All && !slices.Contains(sets, set) {
			if len(sets) == 0 {
				return nil, fmt.Errorf("data set %s has no sets: expected one named %q", name, set)
			}
			return nil, fmt.Errorf("data set %s has no set %q: it has %s", name, set, strings.Join(sets, ", "))
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

// kinds lists the splits and the sets that items have.
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

// layout is a data set that was recognised.
type layout struct {
	layout string
	list   func() ([]item, error)
}

// recognise finds out what layout the data set at path has, or checks the one that was asked for.
func recognise(path, asked string) (*layout, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errNotThere(path, err)
	}
	if asked != "" && !slices.Contains(Layouts, asked) {
		return nil, fmt.Errorf("data layout %q: expected one of %s", asked, strings.Join(Layouts, ", "))
	}
	if !info.IsDir() {
		if asked != "" && asked != LayoutList {
			return nil, fmt.Errorf("data set %s is a file: layout %s is a folder", path, asked)
		}
		return &layout{LayoutList, func() ([]item, error) { return readList(path) }}, nil
	}
	for _, known := range []struct {
		name string
		is   func(path string) bool
		list func(path string) ([]item, error)
	}{
		{LayoutDolos, isDolos, listDolos},
		{LayoutAutoSplice, isAutoSplice, listAutoSplice},
		{LayoutFolder, isImagesAndMasks, listFolder},
		{LayoutUntouched, func(string) bool { return false }, listUntouched},
	} {
		if asked == known.name || asked == "" && known.is(path) {
			return &layout{known.name, func() ([]item, error) { return known.list(path) }}, nil
		}
	}
	if asked == LayoutList {
		return nil, fmt.Errorf("data set %s is a folder: expected a CSV or JSONL file", path)
	}
	return nil, unknownLayout(path)
}

// unknownLayout says what was looked for.
func unknownLayout(path string) error {
	hint := ""
	if names, err := pictureNames(path); err == nil {
		hint = fmt.Sprintf(" (it holds %d pictures: if nobody manipulated them, name it %s:%s)", len(names), path, LayoutUntouched)
	}
	return fmt.Errorf("%s is no data set: expected folders images and masks in it, also below train, valid or test; "+
		"or fake/SET/images and fake/SET/masks as in Dolos; or Forged_JPEG75 and Mask as in AutoSplice%s", path, hint)
}

// extensions that count as pictures in a folder, in lower case.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}

func isPicture(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

func stemOf(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// pictureNames lists the picture files of a folder, sorted by stem, then by name. None is an error that wraps ErrEmpty.
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

// splitFolders lists the folders below dir that are named as splits.
func splitFolders(dir string) []string {
	entries, _ := os.ReadDir(dir) // one that can't be read has none
	var names []string
	for _, e := range entries {
		if isSplit(e.Name()) && isFolder(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// listUntouched lists the pictures of a folder and of those below it.
func listUntouched(dir string) ([]item, error) {
	var items []item
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != dir && strings.HasPrefix(e.Name(), ".") {
			return filepath.SkipDir
		}
		if !isPicture(e.Name()) || isFolder(path) {
			return nil
		}
		it := item{Item: Item{Image: path, Label: Untouched}, name: e.Name()}
		for _, part := range strings.Split(filepath.ToSlash(path[len(dir):]), "/") {
			if isSplit(part) {
				it.Split = splitOf(part)
			}
		}
		items = append(items, it)
		return nil
	})
	if err == nil && len(items) == 0 {
		err = ErrEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", dir, err)
	}
	return items, nil
}
