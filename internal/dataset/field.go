package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// setTampered is the set of the manipulated pictures in layouts that also have untouched ones.
const setTampered = "tampered"

// masksByStem gives the picture files below a directory by their names without extension. A PNG
// takes precedence.
func masksByStem(dir string) map[string]string {
	files := map[string]string{}
	for _, path := range picture.Find(dir, nil).Pictures {
		stem := stemOf(filepath.Base(path))
		if _, taken := files[stem]; !taken || strings.EqualFold(filepath.Ext(path), ".png") {
			files[stem] = path
		}
	}
	return files
}

// tampered is a manipulated picture whose mask has one of the given stems.
func tampered(image string, masks map[string]string, stems ...string) item {
	it := item{Item: Item{Image: image, Set: setTampered}, name: filepath.Base(image)}
	for _, stem := range stems {
		if path, ok := masks[stem]; ok {
			it.Mask = path
			return it
		}
	}
	it.problem = fmt.Sprintf("%s has no mask named %s", image, strings.Join(stems, " or "))
	return it
}

// authentic is an untouched picture.
func authentic(image string) item {
	return item{Item: Item{Image: image, Set: SetReal, Label: Untouched}, name: filepath.Base(image)}
}

// truthFolder is the directory of the masks in LayoutMani; "" if there is none.
func truthFolder(dir string) string {
	entries, _ := os.ReadDir(dir) // an unreadable one has none
	for _, e := range entries {
		name := strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(e.Name()))
		path := filepath.Join(dir, e.Name())
		if (name == "gt" || strings.HasSuffix(name, "groundtruth") || name == "mask" || name == "masks") && isFolder(path) {
			return path
		}
	}
	return ""
}

func isMani(dir string) bool { return isFolder(filepath.Join(dir, "Tp")) && truthFolder(dir) != "" }

// listMani lists IMDLBenCo's ManiDataset, and CASIA with its ground truth. Pictures and masks are
// paired by their names or, with byPosition, in sorted order.
func listMani(dir string, byPosition bool) (all []item, notices []string, err error) {
	if !isMani(dir) {
		return nil, nil, fmt.Errorf("%s is not a data set in the layout of IMDLBenCo: expected Tp and Gt in it", dir)
	}
	if byPosition {
		if all, notices, err = pairByPosition(dir); err != nil {
			return nil, nil, err
		}
	} else {
		all = pairByName(dir)
	}
	for _, path := range picture.Find(filepath.Join(dir, "Au"), nil).Pictures {
		all = append(all, authentic(path))
	}
	return all, notices, nil
}

// pairByName gives each picture in Tp the mask of its name.
func pairByName(dir string) (all []item) {
	masks := masksByStem(truthFolder(dir))
	hint := ""
	if pictures, truths, err := inOrder(dir); err == nil && len(pictures) == len(truths) {
		hint = fmt.Sprintf(" (both directories have %d files: --pair-by-position pairs them in sorted order, as IMDLBenCo does)", len(pictures))
	}
	for _, path := range picture.Find(filepath.Join(dir, "Tp"), nil).Pictures {
		stem := stemOf(filepath.Base(path))
		it := tampered(path, masks, stem, stem+"_gt", stem+"_mask")
		if it.problem != "" {
			it.problem += hint
			hint = "" // once is enough
		}
		all = append(all, it)
	}
	return all
}

// pairByPosition gives the n-th file in Tp the n-th one in Gt.
func pairByPosition(dir string) (all []item, notices []string, err error) {
	pictures, masks, err := inOrder(dir)
	if err != nil {
		return nil, nil, err
	}
	if len(pictures) != len(masks) {
		return nil, nil, fmt.Errorf("data set %s: %d files in Tp and %d in %s cannot be paired by position", dir, len(pictures), len(masks), filepath.Base(truthFolder(dir)))
	}
	if len(pictures) == 0 {
		return nil, nil, fmt.Errorf("data set %s: %w", dir, ErrEmpty)
	}
	for i, path := range pictures {
		all = append(all, item{Item: Item{Image: path, Mask: masks[i], Set: setTampered}, name: filepath.Base(path)})
	}
	return all, []string{fmt.Sprintf("%s: paired by position: %s with %s, and so on to %s with %s", dir,
		filepath.Base(pictures[0]), filepath.Base(masks[0]), filepath.Base(pictures[len(pictures)-1]), filepath.Base(masks[len(masks)-1]))}, nil
}

// inOrder lists all files of Tp and of the directory of masks, in the order of their names' bytes,
// as Python sorts them.
func inOrder(dir string) (pictures, masks []string, err error) {
	list := func(sub string) (files []string, err error) {
		entries, err := os.ReadDir(sub)
		if err != nil {
			return nil, fmt.Errorf("data set: %w", err)
		}
		for _, e := range entries {
			files = append(files, filepath.Join(sub, e.Name()))
		}
		slices.Sort(files)
		return files, nil
	}
	if pictures, err = list(filepath.Join(dir, "Tp")); err == nil {
		masks, err = list(truthFolder(dir))
	}
	return pictures, masks, err
}

// imdFolders lists the directories of LayoutIMD2020, one for each original.
func imdFolders(dir string) []string {
	list, _ := filepath.Glob(filepath.Join(escaped(dir), "*", "*_orig.*"))
	var dirs []string
	for _, path := range list {
		sub := filepath.Dir(path)
		masks, _ := filepath.Glob(filepath.Join(escaped(sub), "*_mask.png"))
		if len(masks) > 0 && !slices.Contains(dirs, sub) {
			dirs = append(dirs, sub)
		}
	}
	return dirs
}

func isIMD2020(dir string) bool { return len(imdFolders(dir)) > 0 }

func listIMD2020(dir string) ([]item, error) {
	dirs := imdFolders(dir)
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s is not a data set in the layout of IMD2020: expected directories of NAME_orig.jpg, NAME_0.png and NAME_0_mask.png", dir)
	}
	var all []item
	for _, sub := range dirs {
		masks := masksByStem(sub)
		names, err := pictureNames(sub)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			stem, path := stemOf(name), filepath.Join(sub, name)
			switch {
			case strings.HasSuffix(stem, "_mask"):
			case strings.HasSuffix(stem, "_orig"):
				all = append(all, authentic(path))
			default:
				all = append(all, tampered(path, masks, stem+"_mask"))
			}
		}
	}
	return all, nil
}
