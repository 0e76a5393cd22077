package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/dataset/coco"
	"github.com/declip/declip/internal/dataset/parquet"
)

// Layouts of data sets.
const (
	// LayoutFolder is images/NAME.EXT with masks/NAME.png, and optionally manifest.jsonl, with a
	// JSON object per line whose "method" applies to the picture named by its "name" or "image".
	// Splits are directories below both (images/train, masks/train) or above (train/images,
	// train/masks).
	LayoutFolder = "folder"
	// LayoutDolos is fake/SET/images/SPLIT with fake/SET/masks/SPLIT, whose masks are inverted, and
	// real/SPLIT.
	LayoutDolos = "dolos"
	// LayoutAutoSplice is Forged_JPEG75, Forged_JPEG90 and Forged_JPEG100 with Mask/NAME_mask.png,
	// where NAME is the picture's name up to its last _, and optionally Authentic. The sets are
	// JPEG75, JPEG90, JPEG100 and real.
	LayoutAutoSplice = "autosplice"
	// LayoutMani is Tp with Gt/NAME.png (IMDLBenCo's ManiDataset) or with a directory whose name ends
	// in "groundtruth" and NAME_gt.png (CASIA), and optionally Au. The sets are tampered and real.
	LayoutMani = "mani"
	// LayoutIMD2020 is directories of NAME_orig.jpg, NAME_0.png and NAME_0_mask.png.
	LayoutIMD2020 = "imd2020"
	// LayoutCoMoFoD is 001_F.png (forged), 001_O.png (original) and 001_B.png (mask), and
	// 001_F_JC1.jpg and so on.
	LayoutCoMoFoD = "comofod"
	// LayoutCoverage is image/1t.tif (forged; also in tampered), image/1.tif and mask/1forged.tif.
	LayoutCoverage = "coverage"
	// LayoutColumbia is 4cam_splc with edgemask/NAME_edgemask.jpg, and 4cam_auth.
	LayoutColumbia = "columbia"
	// LayoutNIST16 is the data set of NIST's Nimble Challenge 2016, by its index; see listNIST16.
	LayoutNIST16 = "nist16"
	// LayoutDSO1 is DSO-1/splicing-01.png with DSO-1-Fake-Images-Masks/splicing-01.png, whose masks
	// are inverted, and DSO-1/normal-01.png.
	LayoutDSO1 = "dso1"
	// LayoutCASIA is "CASIA 2.0" next to "CASIA 2 Groundtruth", and "CASIA 1.0 dataset" next to
	// "CASIA 1.0 groundtruth". The sets are casia1, casia2 and real.
	LayoutCASIA = "casia"
	// LayoutCocoGlide is fake, real and mask of CocoGlide.
	LayoutCocoGlide = "cocoglide"
	// LayoutTGIF is sd2-sp, sd2-fr, sdxl-fr and ps-sp, which are its sets, with masks and orig.
	LayoutTGIF = "tgif"
	// LayoutKorus is CAMERA/tampered-realistic with CAMERA/ground-truth, and CAMERA/pristine.
	LayoutKorus = "korus"
	// LayoutList is a CSV or JSONL file with one picture per line; see readList.
	LayoutList = "list"
	// LayoutParquet is Parquet files with pictures and masks, as Hugging Face writes them and OpenSDID
	// is published; see listParquet.
	LayoutParquet = "parquet"
	// LayoutCOCO is a JSON file in COCO's format, whose annotations mark what was manipulated.
	LayoutCOCO = "coco"
	// LayoutUntouched is a directory tree of untouched pictures.
	LayoutUntouched = "untouched"
)

// Layouts lists the layouts in the order in which they are tried.
var Layouts = []string{LayoutList, LayoutCOCO, LayoutParquet, LayoutDolos, LayoutAutoSplice, LayoutMani,
	LayoutColumbia, LayoutNIST16, LayoutDSO1, LayoutCASIA, LayoutCocoGlide, LayoutTGIF, LayoutKorus, LayoutCoverage, LayoutCoMoFoD,
	LayoutIMD2020, LayoutFolder, LayoutUntouched}

// layout is a data set whose layout is known.
type layout struct {
	layout string
	list   func() (items []item, notices []string, err error)
}

// known is a layout of directories.
type known struct {
	layout string
	title  string // of a published data set, for messages
	is     func(dir string) bool
	list   func(dir string) (items []item, notices []string, err error)
}

// quiet is a list function that has nothing to say.
func quiet(list func(dir string) ([]item, error)) func(dir string) ([]item, []string, error) {
	return func(dir string) ([]item, []string, error) {
		items, err := list(dir)
		return items, nil, err
	}
}

var parquetLayout = known{LayoutParquet, "Parquet files", isParquet, listParquet}

// directories lists the layouts of directories in the order in which they are tried.
func directories(o Options) []known {
	list := []known{
		parquetLayout,
		{LayoutDolos, "Dolos", isDolos, quiet(listDolos)},
		{LayoutAutoSplice, "AutoSplice", isAutoSplice, quiet(listAutoSplice)},
		{LayoutMani, "IMDLBenCo's ManiDataset", isMani, func(dir string) ([]item, []string, error) { return listMani(dir, o.PairByPosition) }},
		{LayoutNIST16, "NIST16", isNIST16, quiet(listNIST16)},
	}
	for i := range arrangements {
		a := &arrangements[i]
		list = append(list, known{a.layout, a.title, a.is, a.list})
	}
	return append(list,
		known{LayoutIMD2020, "IMD2020", isIMD2020, quiet(listIMD2020)},
		known{LayoutFolder, "", isImagesAndMasks, quiet(listFolder)},
		known{LayoutUntouched, "", func(string) bool { return false }, quiet(listUntouched)},
	)
}

// recognise detects the layout of the data set at path, or checks the given one.
func recognise(path string, o Options) (*layout, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, err)
	}
	if o.Layout != "" && !slices.Contains(Layouts, o.Layout) {
		return nil, fmt.Errorf("data layout %q: expected one of %s", o.Layout, strings.Join(Layouts, ", "))
	}
	if !info.IsDir() {
		return recogniseFile(path, o)
	}
	switch o.Layout {
	case LayoutList:
		return nil, fmt.Errorf("data set %s is a directory: expected a CSV or JSONL file", path)
	case LayoutCOCO:
		return nil, fmt.Errorf("data set %s is a directory: %w", path, errNoCOCO)
	}
	if o.Layout == "" {
		if err := requireOne(path); err != nil {
			return nil, err
		}
	}
	for _, k := range directories(o) {
		if o.Layout == k.layout || o.Layout == "" && k.is(path) {
			return &layout{k.layout, func() ([]item, []string, error) { return k.listed(path) }}, nil
		}
	}
	return nil, unknownLayout(path)
}

// listed is list with a notice that says how a published data set was read.
func (k known) listed(dir string) (items []item, notices []string, err error) {
	items, notices, err = k.list(dir)
	if err != nil || k.title == "" {
		return items, notices, err
	}
	untouched, inverted := 0, 0
	for _, it := range items {
		if it.Label == Untouched {
			untouched++
		} else if it.Inverted {
			inverted++
		}
	}
	text := fmt.Sprintf("%s: read as %s: %d manipulated, %d untouched", dir, k.title, len(items)-untouched, untouched)
	if inverted > 0 {
		text += "; black means manipulated in its masks"
	}
	return items, append([]string{text}, notices...), nil
}

// requireOne is an error if a directory is in several of the arrangements.
func requireOne(dir string) error {
	var names []string
	for i := range arrangements {
		if arrangements[i].is(dir) {
			names = append(names, arrangements[i].layout)
		}
	}
	if len(names) > 1 {
		return fmt.Errorf("data set %s is in the layouts %s: choose one with --layout", dir, strings.Join(names, " and "))
	}
	return nil
}

// recogniseFile tells lists from other files that hold data sets.
func recogniseFile(path string, o Options) (*layout, error) {
	if o.Layout == LayoutParquet || o.Layout == "" && strings.EqualFold(filepath.Ext(path), parquet.Extension) {
		return &layout{LayoutParquet, func() ([]item, []string, error) { return parquetLayout.listed(path) }}, nil
	}
	if o.Layout != "" && o.Layout != LayoutList && o.Layout != LayoutCOCO {
		return nil, fmt.Errorf("data set %s is a file: layout %s is a directory", path, o.Layout)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	text := plainText(raw)
	if is := coco.Is(text); is && o.Layout != LayoutList {
		return &layout{LayoutCOCO, func() ([]item, []string, error) { return readCOCO(path, o.Images, text) }}, nil
	}
	if o.Layout == LayoutCOCO {
		return nil, fmt.Errorf("data set %s: %w", path, errNoCOCO)
	}
	return &layout{LayoutList, func() ([]item, []string, error) { return parseList(path, text, o.PairByPosition) }}, nil
}

// unknownLayout is the error about a directory in none of the layouts.
func unknownLayout(path string) error {
	hint := ""
	if names, err := pictureNames(path); err == nil {
		hint = fmt.Sprintf(" (it contains %d pictures: if they are all untouched, name it %s:%s)", len(names), path, LayoutUntouched)
	}
	return fmt.Errorf("%s is not a data set: expected directories images and masks in it, also below train, valid or test; "+
		"or fake/SET/images and fake/SET/masks as in Dolos; or Forged_JPEG75 and Mask as in AutoSplice; or Tp and Gt as in IMDLBenCo; or a layout of \"declip data --help\"%s", path, hint)
}
