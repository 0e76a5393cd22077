package check

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Options of Run.
type Options struct {
	ResizeMasks bool // masks of another size are scaled when the data is used
	Workers     int  // files read at a time, at least 1
	// Done, if set, is called with the number of finished pictures, never concurrently.
	Done func(done, total int)
}

// DefaultOptions read as many files at a time as the process may use cores.
func DefaultOptions() Options { return Options{Workers: runtime.GOMAXPROCS(0)} }

// Validate reports the first option that Run cannot work with.
func (o Options) Validate() error {
	if o.Workers < 1 {
		return fmt.Errorf("%d workers: expected at least 1", o.Workers)
	}
	return nil
}

// looked is what is known of one picture and its mask.
type looked struct {
	item        dataset.Item
	w, h        int
	digest      [sha256.Size]byte
	readable    bool
	mask        *dataset.MaskFacts // nil without a readable mask
	manipulated bool
	known       bool // whether it was manipulated
	findings    []Finding
}

// Run reads every picture and mask of a data set, which should be opened leniently. What is wrong
// with a file is a finding; the error is that an option is invalid or that ctx ended.
func Run(ctx context.Context, set *dataset.Set, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	all := make([]looked, set.Len())
	var mu sync.Mutex
	done := 0
	err := parallel.For(ctx, len(all), o.Workers, func(ctx context.Context, i int) error {
		all[i] = examine(ctx, set, i, o)
		mu.Lock()
		defer mu.Unlock()
		done++
		if o.Done != nil {
			o.Done(done, len(all))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return newReport(set, all), nil
}

// examine is look. A panic becomes a finding about the picture.
func examine(ctx context.Context, set *dataset.Set, i int, o Options) looked {
	var l looked
	err := parallel.Catch(func() error {
		parallel.Point("load")
		l = look(ctx, set, i, o)
		return nil
	})
	if err != nil {
		return looked{item: set.Item(i), findings: []Finding{{Unreadable, set.Item(i).Image, err.Error(), true}}}
	}
	return l
}

// look reads a picture and its mask.
func look(ctx context.Context, set *dataset.Set, i int, o Options) looked {
	item, problem := set.Item(i), set.Problem(i)
	l := looked{item: item, known: item.Label != dataset.Unlabelled, manipulated: item.Label == dataset.Manipulated}
	find := func(kind, file string, wrong bool, format string, args ...any) {
		l.findings = append(l.findings, Finding{kind, file, fmt.Sprintf(format, args...), wrong})
	}
	if problem != "" {
		find(Missing, item.Image, true, "%s", problem)
	}
	decoded, err := set.OpenPicture(ctx, i)
	switch {
	case err == nil:
		l.readable, l.w, l.h, l.digest = true, decoded.Width, decoded.Height, digest(decoded.RGB)
		if decoded.Orientation > 1 {
			find(Orientation, item.Image, false, "EXIF orientation %d is not applied: the mask must match the stored pixels", decoded.Orientation)
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
	mask, note, err := set.ReadMask(ctx, i)
	if ambiguous := (*dataset.MaskError)(nil); errors.As(err, &ambiguous) {
		find(Levels, item.Mask, true, "is ambiguous: %s: %s", ambiguous.Detail, ambiguous.Advice)
		return l
	} else if err != nil {
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
	if note != "" {
		find(Levels, item.Mask, false, "has %s", note)
	}
	l.mask = dataset.MeasureMask(mask)
	l.judgeMask(find)
	return l
}

// judgeMask reports what is odd about a mask.
func (l *looked) judgeMask(find func(kind, file string, wrong bool, format string, args ...any)) {
	m := l.mask
	marked := m.Marked(l.item.Inverted)
	// A method, too, says that the picture was manipulated, unless it is a name for untouched
	// pictures.
	said := l.item.Label == dataset.Manipulated || l.item.Method != "" && !dataset.UntouchedMethod(l.item.Method)
	switch {
	case l.item.Label == dataset.Untouched && marked > 0:
		find(Conflict, l.item.Mask, true, "marks %.1f %% of a picture that is labelled untouched", 100*marked)
	case marked == 0 && said:
		find(EmptyMask, l.item.Mask, true, "marks nothing, but the picture is listed as manipulated")
	case marked == 1:
		find(FullMask, l.item.Mask, true, "marks the whole picture")
	case m.Soft > 0.05:
		find(SoftMask, l.item.Mask, false, "%.0f %% of its pixels are between 0 and 255; over 127 counts as manipulated", 100*m.Soft)
	}
	if !l.known {
		l.known, l.manipulated = true, marked > 0
	}
}

// digest identifies a picture by its size and pixels.
func digest(p *picture.RGB) [sha256.Size]byte {
	hash := sha256.New()
	var size [16]byte
	binary.LittleEndian.PutUint64(size[:], uint64(p.Width))
	binary.LittleEndian.PutUint64(size[8:], uint64(p.Height))
	hash.Write(size[:])
	hash.Write(p.Pix)
	return [sha256.Size]byte(hash.Sum(nil))
}
