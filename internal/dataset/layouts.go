package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names in LayoutFolder and below fake/SET in LayoutDolos.
const (
	imagesDir    = "images"
	masksDir     = "masks"
	manifestName = "manifest.jsonl"
)

// pairs lists the pictures of one directory with the masks of another. Messages name files relative
// to root. Errors are about the directories; a picture without a mask is an item with a problem.
func pairs(root, images, masks string, maskStem func(stem string) string) ([]item, error) {
	names, err := pictureNames(images)
	if err != nil {
		return nil, err
	}
	inMasks := maskFiles(masks)
	show := func(dir, name string) string {
		path := filepath.Join(dir, name)
		if short, err := filepath.Rel(root, path); err == nil {
			path = short
		}
		return filepath.ToSlash(path)
	}
	var items []item
	for i, name := range names {
		stem := maskStem(stemOf(name))
		it := item{Item: Item{Image: filepath.Join(images, name)}, name: name}
		mask, ok := inMasks[stem]
		it.Mask = filepath.Join(masks, mask)
		switch {
		case i > 0 && stemOf(name) == stemOf(names[i-1]):
			it.problem = fmt.Sprintf("%s and %s would share one mask", show(images, names[i-1]), show(images, name))
		case !ok:
			it.Mask = filepath.Join(masks, stem+".png")
			it.problem = fmt.Sprintf("%s has no %s", show(images, name), show(masks, stem+".png"))
		}
		items = append(items, it)
	}
	return items, nil
}

// maskFiles gives the picture files of a directory by their stems. A PNG takes precedence.
func maskFiles(dir string) map[string]string {
	names, _ := pictureNames(dir) // a missing directory has none
	files := map[string]string{}
	for _, name := range names {
		stem := stemOf(name)
		if _, taken := files[stem]; !taken || strings.EqualFold(filepath.Ext(name), ".png") {
			files[stem] = name
		}
	}
	return files
}

func sameStem(stem string) string { return stem }

// isImagesAndMasks recognises LayoutFolder.
func isImagesAndMasks(dir string) bool {
	if isFolder(filepath.Join(dir, imagesDir)) {
		return true
	}
	for _, split := range splitFolders(dir) {
		if isFolder(filepath.Join(dir, split, imagesDir)) {
			return true
		}
	}
	return false
}

func listFolder(dir string) ([]item, error) { return listFolderIn(dir, dir) }

// listFolderIn lists a directory in LayoutFolder. Messages name files relative to root.
func listFolderIn(root, dir string) ([]item, error) {
	images, masks := filepath.Join(dir, imagesDir), filepath.Join(dir, masksDir)
	if !isFolder(images) {
		return listSplits(dir)
	}
	methods, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	splits := splitFolders(images)
	var all []item
	if len(splits) == 0 || hasPictures(images) {
		if all, err = pairs(root, images, masks, sameStem); err != nil {
			return nil, err
		}
	}
	for _, split := range splits {
		items, err := pairs(root, filepath.Join(images, split), filepath.Join(masks, split), sameStem)
		if err != nil {
			return nil, err
		}
		all = append(all, inSplit(items, split)...)
	}
	for i := range all {
		all[i].Method = methods[stemOf(all[i].name)]
	}
	return all, nil
}

// listSplits lists the splits that are above images: train/images and so on.
func listSplits(dir string) ([]item, error) {
	var all []item
	for _, split := range splitFolders(dir) {
		if !isFolder(filepath.Join(dir, split, imagesDir)) {
			continue
		}
		items, err := listFolderIn(dir, filepath.Join(dir, split))
		if err != nil {
			return nil, err
		}
		all = append(all, inSplit(items, split)...)
	}
	if len(all) == 0 {
		return nil, unknownLayout(dir)
	}
	return all, nil
}

// inSplit assigns items to a split.
func inSplit(items []item, split string) []item {
	for i := range items {
		items[i].Split = splitOf(split)
	}
	return items
}

func hasPictures(dir string) bool {
	names, err := pictureNames(dir)
	return err == nil && len(names) > 0
}

// dolosRoot is the directory that contains fake. dir is that directory or one of the sets below
// fake, whose name is then given, too.
func dolosRoot(dir string) (root, set string) {
	if list, _ := filepath.Glob(filepath.Join(escaped(dir), "fake", "*", imagesDir)); len(list) > 0 {
		return dir, ""
	}
	abs, err := filepath.Abs(dir)
	if err == nil && filepath.Base(filepath.Dir(abs)) == "fake" && len(splitFolders(filepath.Join(dir, imagesDir))) > 0 {
		return filepath.Dir(filepath.Dir(abs)), filepath.Base(abs)
	}
	return "", ""
}

// escaped escapes the signs of a path that filepath.Glob would read as a pattern.
func escaped(path string) string {
	if os.PathSeparator == '\\' {
		return path // nothing can be escaped where a backslash separates names
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func isDolos(dir string) bool {
	root, _ := dolosRoot(dir)
	return root != ""
}

func listDolos(dir string) ([]item, error) {
	root, only := dolosRoot(dir)
	if root == "" {
		return nil, fmt.Errorf("%s is not a data set in the layout of Dolos: expected fake/SET/images/SPLIT in it", dir)
	}
	var all []item
	entries, err := os.ReadDir(filepath.Join(root, "fake"))
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	for _, e := range entries {
		if only != "" && e.Name() != only {
			continue
		}
		items, err := listDolosSet(root, e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("data set %s: no train, valid or test below fake/SET/images: %w", dir, ErrEmpty)
	}
	if only != "" {
		return all, nil
	}
	for _, split := range splitFolders(filepath.Join(root, "real")) {
		items, err := realPictures(filepath.Join(root, "real", split))
		if err != nil {
			return nil, err
		}
		all = append(all, inSplit(items, split)...)
	}
	return all, nil
}

// listDolosSet lists the pictures of fake/SET, none if there is no images below it.
func listDolosSet(root, set string) ([]item, error) {
	images, masks := filepath.Join(root, "fake", set, imagesDir), filepath.Join(root, "fake", set, masksDir)
	if !isFolder(images) {
		return nil, nil
	}
	var all []item
	for _, split := range splitFolders(images) {
		items, err := pairs(root, filepath.Join(images, split), filepath.Join(masks, split), sameStem)
		if err != nil {
			return nil, err
		}
		for i := range items {
			items[i].Set, items[i].Method = set, set
		}
		all = append(all, inSplit(items, split)...)
	}
	return all, nil
}

// realPictures lists the untouched pictures of a directory as the set SetReal.
func realPictures(dir string) ([]item, error) {
	items, err := listUntouched(dir)
	for i := range items {
		items[i].Set = SetReal
	}
	return items, err
}

// autoSpliceSets lists the directories of forged pictures.
func autoSpliceSets(dir string) []string {
	list, _ := filepath.Glob(filepath.Join(escaped(dir), "Forged_*"))
	return slices.DeleteFunc(list, func(path string) bool { return !isFolder(path) })
}

func isAutoSplice(dir string) bool {
	return len(autoSpliceSets(dir)) > 0 && isFolder(filepath.Join(dir, "Mask"))
}

func listAutoSplice(dir string) ([]item, error) {
	if !isAutoSplice(dir) {
		return nil, fmt.Errorf("%s is not a data set in the layout of AutoSplice: expected Forged_JPEG75 (or 90, 100) and Mask in it", dir)
	}
	maskOf := func(stem string) string {
		if at := strings.LastIndexByte(stem, '_'); at >= 0 {
			stem = stem[:at]
		}
		return stem + "_mask"
	}
	var all []item
	for _, forged := range autoSpliceSets(dir) {
		items, err := pairs(dir, forged, filepath.Join(dir, "Mask"), maskOf)
		if err != nil {
			return nil, err
		}
		set := strings.TrimPrefix(filepath.Base(forged), "Forged_")
		for i := range items {
			items[i].Set, items[i].Method = set, set
		}
		all = append(all, items...)
	}
	if authentic := filepath.Join(dir, "Authentic"); isFolder(authentic) {
		items, err := realPictures(authentic)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}
