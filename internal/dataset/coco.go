package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/dataset/coco"
	"github.com/declip/declip/internal/picture"
)

// cocoMask is the mask of a picture in COCO's JSON.
type cocoMask struct {
	image *coco.Image
	list  []coco.Annotation // those that mark
	name  string            // for messages
}

func (m cocoMask) read(_ context.Context, limits picture.Limits, _ MaskRule) (*picture.Gray, string, error) {
	most := limits.MaxPixels
	if most <= 0 {
		most = picture.DefaultMaxPixels
	}
	if int64(m.image.Width)*int64(m.image.Height) > most {
		return nil, "", fmt.Errorf("%s: %w: %d x %d pixels, at most %d", m.name, picture.ErrTooLarge, m.image.Width, m.image.Height, most)
	}
	return m.image.Mask(m.list), "", nil
}

func (m cocoMask) size() (w, h int, err error) { return m.image.Width, m.image.Height, nil }

// digest identifies what is drawn. It does not depend on how the file spells it.
func (m cocoMask) digest() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "coco %d %d\n", m.image.Width, m.image.Height)
	for _, a := range m.list {
		fmt.Fprintln(hash, a.Area())
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// readCOCO lists the pictures of a file in COCO's format. Their names are relative to images; "" is
// the file's directory.
func readCOCO(path, images string, text []byte) (items []item, notices []string, err error) {
	pictures, err := coco.Read(text)
	if err != nil {
		return nil, nil, fmt.Errorf("data set %s: %w", path, err)
	}
	if len(pictures) == 0 {
		return nil, nil, fmt.Errorf("data set %s: %w", path, ErrEmpty)
	}
	hint := ""
	if images == "" {
		images, hint = filepath.Dir(path), "; --images names the directory of the pictures"
	}
	untouched, passed := 0, map[string]int{}
	for i := range pictures {
		it := cocoItem(&pictures[i], path, images, passed)
		if !exists(it.Image) {
			it.problem = fmt.Sprintf("%s of image %s in %s does not exist%s", it.Image, pictures[i].ID, path, hint)
		}
		if it.Label == Untouched {
			untouched++
		}
		items = append(items, it)
	}
	if untouched > 0 {
		notices = append(notices, fmt.Sprintf("%s: %d of %d pictures have no annotation and count as untouched", path, untouched, len(items)))
	}
	for _, name := range slices.Sorted(maps.Keys(passed)) {
		notices = append(notices, fmt.Sprintf("%s: %d annotations of category %q mark nothing", path, passed[name], name))
	}
	return items, notices, nil
}

// cocoItem is a picture with the union of its annotations. The names of their categories are its
// method. An annotation whose category says untouched marks nothing, and is counted in passed.
func cocoItem(m *coco.Image, path, images string, passed map[string]int) item {
	image := within(images, m.File)
	mask := cocoMask{image: m, name: fmt.Sprintf("%s, image %s", path, m.ID)}
	var methods []string
	for _, a := range m.Annotations {
		label := labels[strings.ToLower(a.Category)]
		if label == Untouched {
			passed[a.Category]++
			continue
		}
		mask.list = append(mask.list, a)
		if label == Unlabelled && a.Category != "" && !slices.Contains(methods, a.Category) {
			methods = append(methods, a.Category)
		}
	}
	slices.Sort(methods)
	label := Manipulated
	if len(mask.list) == 0 {
		label = Untouched // its empty mask is kept: the size it states is compared with the picture's
	}
	return item{name: filepath.Base(image), truth: mask, Item: Item{
		Image: image, Mask: mask.name, Method: strings.Join(methods, "+"), Label: label,
	}}
}

// errNoCOCO is the error about a file that --layout says to be COCO's.
var errNoCOCO = errors.New(`expected COCO's JSON, an object with "images" and "annotations"`)
