package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/picture"
)

// Set is a data set on disk, in one of the layouts; see Open.
type Set struct {
	name   string // as passed to Open
	layout string
	limits picture.Limits
	resize bool // masks of another size
	rule   MaskRule
	items  []item

	leftOut  picture.LeftOut // see LeftOut
	contents struct {        // computed once; see Contents
		sync.Mutex
		text string
	}
}

// Item describes one picture of a data set.
type Item struct {
	Image string // file; in a file that holds many pictures, that file and the picture's name in it
	// Mask is the mask's file, or the part of a file that describes it; "" if there is none, as for
	// untouched pictures.
	Mask   string
	Split  string // train, valid, test, or the data set's own name for it; "" if it has none
	Set    string // the part of the data set, such as "ldm" of Dolos; "" if it has none
	Method string // how it was manipulated; "" if unknown
	Label  Label
	// Inverted masks are 0 where the picture was manipulated, and 255 elsewhere.
	Inverted bool
}

type item struct {
	Item
	name    string // for messages and reports
	bytes   int64
	problem string // why there is no fitting mask; only in a lenient set

	truth  maskSource // of a mask without a file of its own
	inside blob       // the picture, if it has no file of its own
	rule   MaskRule   // of the layout, for masks that are not recognised as they are
}

// PairError lists the pictures of a data set that are unreadable, or whose masks are unreadable,
// missing or of another size.
type PairError struct {
	Dir      string
	Problems []string // each names the file
}

// Error names the data set, the number of problems and the first few of them.
func (e *PairError) Error() string {
	const shown = 5
	list, more := e.Problems, ""
	if len(list) > shown {
		more = fmt.Sprintf("; and %d more", len(list)-shown)
		list = list[:shown]
	}
	unfit := "1 picture is"
	if n := len(e.Problems); n != 1 {
		unfit = fmt.Sprintf("%d pictures are", n)
	}
	return fmt.Sprintf("%s: %s unfit or without a fitting mask: %s%s", e.Dir, unfit, strings.Join(list, "; "), more)
}

// Len is the number of pictures.
func (s *Set) Len() int { return len(s.items) }

// Name is picture i's file name.
func (s *Set) Name(i int) string { return s.items[i].name }

// Path is picture i's file.
func (s *Set) Path(i int) string { return s.items[i].Image }

// Item describes picture i.
func (s *Set) Item(i int) Item { return s.items[i].Item }

// Layout is the data set's layout, one of Layouts.
func (s *Set) Layout() string { return s.layout }

// String describes the data set, such as "dolos (dolos, test: ldm 900, real 900)".
func (s *Set) String() string {
	counts, order, splits := map[string]int{}, []string{}, []string{}
	for _, it := range s.items {
		if counts[it.Set] == 0 {
			order = append(order, it.Set)
		}
		counts[it.Set]++
		if it.Split != "" && !slices.Contains(splits, it.Split) {
			splits = append(splits, it.Split)
		}
	}
	slices.Sort(order)
	what := s.layout
	if len(splits) > 0 {
		slices.Sort(splits)
		what += ", " + strings.Join(splits, " and ")
	}
	var parts []string
	for _, set := range order {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %d", set, counts[set])))
	}
	return fmt.Sprintf("%s (%s: %s)", s.name, what, strings.Join(parts, ", "))
}

// Load decodes picture i and its mask. Its errors name the file.
func (s *Set) Load(ctx context.Context, i int) (Sample, error) {
	if ctx.Err() != nil {
		return Sample{}, context.Cause(ctx)
	}
	it := s.items[i]
	if it.problem != "" {
		return Sample{}, &PairError{Dir: s.name, Problems: []string{it.problem}}
	}
	decoded, err := it.open(ctx, s.limits)
	if err != nil {
		return Sample{}, err
	}
	sample := Sample{Picture: decoded, Label: it.Label, Name: it.name, Path: it.Image, Method: it.Method}
	switch {
	case it.Mask != "":
		sample.Mask, err = s.mask(ctx, it, decoded.Width, decoded.Height)
	case it.Label == Untouched:
		sample.Mask = picture.NewGray(decoded.Width, decoded.Height)
	}
	if err != nil {
		return Sample{}, err
	}
	return sample, nil
}

// mask reads a mask for a picture of w x h pixels.
func (s *Set) mask(ctx context.Context, it item, w, h int) (*picture.Gray, error) {
	mask, _, err := it.readMask(ctx, s.limits, s.rule)
	if err != nil {
		return nil, err
	}
	if mask.Width != w || mask.Height != h {
		if !s.resize {
			return nil, &PairError{Dir: s.name, Problems: []string{sizesDiffer(it, w, h, mask.Width, mask.Height)}}
		}
		mask = nearest(mask, w, h)
	}
	if it.Inverted {
		for i, v := range mask.Pix {
			mask.Pix[i] = 255 - v
		}
	}
	return mask, nil
}

func sizesDiffer(it item, w, h, mw, mh int) string {
	return fmt.Sprintf("%s is %dx%d, its mask %s is %dx%d", it.Image, w, h, it.Mask, mw, mh)
}

// nearest scales a mask by the nearest pixel, as Pillow's NEAREST does. Values of 0 and 255 stay
// so.
func nearest(m *picture.Gray, w, h int) *picture.Gray {
	out := picture.NewGray(w, h)
	for y := range h {
		row := m.Pix[(2*y+1)*m.Height/(2*h)*m.Width:]
		for x := range w {
			out.Pix[y*w+x] = row[(2*x+1)*m.Width/(2*w)]
		}
	}
	return out
}

// Fingerprint is a hexadecimal SHA-256 of the names and lengths of all pictures. A checkpoint
// records it for the data it was trained on. It reads neither the pictures nor the masks; see
// Contents.
func (s *Set) Fingerprint() string {
	hash := sha256.New()
	for _, it := range s.items {
		fmt.Fprintf(hash, "%s\x00%d\x00%s\n", it.name, it.bytes, it.Method)
		if it.Inverted || it.Label != Unlabelled {
			fmt.Fprintf(hash, "%v %d\n", it.Inverted, it.Label)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// check looks for problems of the pictures before they are needed, as far as the options allow.
func (s *Set) check(ctx context.Context, o Options) error {
	pair := &PairError{Dir: s.name}
	for i := range s.items {
		it := &s.items[i]
		if it.problem == "" && it.Mask == "" && it.Label != Untouched && !o.Labels {
			it.problem = it.Image + " has no mask"
		}
		if it.problem != "" {
			pair.Problems = append(pair.Problems, it.problem)
		} else if info, err := os.Stat(it.Image); err == nil && it.inside == nil {
			it.bytes = info.Size()
		}
	}
	if o.Lenient {
		return nil
	}
	if !o.SkipSizes {
		problems, err := s.checkSizes(ctx)
		if err != nil {
			return err
		}
		pair.Problems = append(pair.Problems, problems...)
	}
	if len(pair.Problems) > 0 {
		return pair
	}
	return nil
}

// checkSizes reads the headers of all pairs and gives a line for each that does not fit. Its error
// is that ctx ended.
func (s *Set) checkSizes(ctx context.Context) ([]string, error) {
	problems := make([]string, len(s.items))
	workers := 2 * runtime.GOMAXPROCS(0) // they wait for the disk half of the time
	err := parallel.For(ctx, len(s.items), workers, func(_ context.Context, i int) error {
		it := s.items[i]
		if it.problem != "" {
			return nil
		}
		err := parallel.Catch(func() error {
			problems[i] = s.sizeProblem(it)
			return nil
		})
		if err != nil {
			problems[i] = fmt.Sprintf("%s: %v", it.Image, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(problems, func(s string) bool { return s == "" }), nil
}

// sizeProblem is what is wrong with the sizes of a picture and its mask; "" if nothing is.
func (s *Set) sizeProblem(it item) string {
	parallel.Point("header")
	if it.inside != nil {
		return "" // Load compares: this would read the whole file
	}
	w, h, err := headerSize(it.Image)
	if err != nil {
		return err.Error()
	}
	if it.mask() == nil {
		return ""
	}
	mw, mh, err := it.mask().size()
	if err != nil {
		return err.Error()
	}
	if (w != mw || h != mh) && !s.resize {
		return sizesDiffer(it, w, h, mw, mh)
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// missing is the error about a path that cannot be found.
func missing(path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("data set %s: %w", path, os.ErrNotExist)
	}
	return fmt.Errorf("data set: %w", err)
}

// Problem is why picture i has no fitting mask, as far as that is known without reading it; "" if
// it has one. Only a lenient data set contains such pictures.
func (s *Set) Problem(i int) string { return s.items[i].problem }
