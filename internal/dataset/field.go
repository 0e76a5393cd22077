package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// listMani lists IMDLBenCo's ManiDataset, and CASIA with its ground truth.
func listMani(dir string) ([]item, error) {
	if !isMani(dir) {
		return nil, fmt.Errorf("%s is not a data set in the layout of IMDLBenCo: expected Tp and Gt in it", dir)
	}
	masks := masksByStem(truthFolder(dir))
	var all []item
	for _, path := range picture.Find(filepath.Join(dir, "Tp"), nil).Pictures {
		stem := stemOf(filepath.Base(path))
		all = append(all, tampered(path, masks, stem, stem+"_gt", stem+"_mask"))
	}
	for _, path := range picture.Find(filepath.Join(dir, "Au"), nil).Pictures {
		all = append(all, authentic(path))
	}
	return all, nil
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

// comofod matches the names of LayoutCoMoFoD: number, kind (F forged, O original), and a code such
// as JC1 for pictures that were changed afterwards.
var comofod = regexp.MustCompile(`^(\d{3})_([FO])(?:_([A-Z]{2}\d))?$`)

func isCoMoFoD(dir string) bool {
	list, _ := filepath.Glob(filepath.Join(escaped(dir), "[0-9][0-9][0-9]_B.png"))
	return len(list) > 0
}

func listCoMoFoD(dir string) ([]item, error) {
	if !isCoMoFoD(dir) {
		return nil, fmt.Errorf("%s is not a data set in the layout of CoMoFoD: expected 001_F.png, 001_O.png and 001_B.png in it", dir)
	}
	names, err := pictureNames(dir)
	if err != nil {
		return nil, err
	}
	masks := masksByStem(dir)
	var all []item
	for _, name := range names {
		m := comofod.FindStringSubmatch(stemOf(name))
		if m == nil {
			continue
		}
		it := authentic(filepath.Join(dir, name))
		if m[2] == "F" {
			it = tampered(it.Image, masks, m[1]+"_B")
			it.Method = strings.TrimSuffix("copy-move "+m[3], " ")
		}
		all = append(all, it)
	}
	return all, nil
}

// coverage matches the names in image of LayoutCoverage: a number, and t for the forged one.
var coverage = regexp.MustCompile(`^(\d+)(t?)$`)

func isCoverage(dir string) bool {
	list, _ := filepath.Glob(filepath.Join(escaped(dir), "mask", "*forged.*"))
	return len(list) > 0 && isFolder(filepath.Join(dir, "image"))
}

func listCoverage(dir string) ([]item, error) {
	if !isCoverage(dir) {
		return nil, fmt.Errorf("%s is not a data set in the layout of COVERAGE: expected image/1t.tif and mask/1forged.tif in it", dir)
	}
	images := filepath.Join(dir, "image")
	names, err := pictureNames(images)
	if err != nil {
		return nil, err
	}
	masks := masksByStem(filepath.Join(dir, "mask"))
	var all []item
	for _, name := range names {
		m := coverage.FindStringSubmatch(stemOf(name))
		switch {
		case m == nil:
		case m[2] == "":
			all = append(all, authentic(filepath.Join(images, name)))
		default:
			it := tampered(filepath.Join(images, name), masks, m[1]+"forged")
			it.Method = "copy-move"
			all = append(all, it)
		}
	}
	return all, nil
}
