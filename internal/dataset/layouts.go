package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pairs lists the pictures of one folder with the masks of another; messages name them from root on. Errors are about the
// folders; a picture without a mask is an item with a problem.
func pairs(root, images, masks string, maskStem func(stem string) string) ([]item, error) {
	names, err := pictureNames(images)
	if err != nil {
		return nil, err
	}
	inMasks := maskFiles(masks)
	show := func(folder, name string) string {
		path := filepath.Join(folder, name)
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

// maskFiles gives the picture files of a folder by their stems; a PNG goes before others.
func maskFiles(dir string) map[string]string {
	names, _ := pictureNames(dir) // a folder that is not there has none
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
	if isFolder(filepath.Join(dir, "images")) {
		return true
	}
	for _, split := range splitFolders(dir) {
		if isFolder(filepath.Join(dir, split, "images")) {
			return true
		}
	}
	return false
}

func listFolder(dir string) ([]item, error) { return listFolderIn(dir, dir) }

// listFolderIn lists a folder in that layout within root.
func listFolderIn(root, dir string) ([]item, error) {
	images, masks := filepath.Join(dir, "images"), filepath.Join(dir, "masks")
	if !isFolder(images) {
		return listSplits(dir)
	}
	methods, err := readManifest(filepath.Join(dir, "manifest.jsonl"))
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

// listSplits lists train/images and so on.
func listSplits(dir string) ([]item, error) {
	var all []item
	for _, split := range splitFolders(dir) {
		if !isFolder(filepath.Join(dir, split, "images")) {
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

// dolosRoot is the folder that holds fake, for the data set itself or one of its sets, with that set's name.
func dolosRoot(dir string) (root, set string) {
	if list, _ := filepath.Glob(filepath.Join(escaped(dir), "fake", "*", "images")); len(list) > 0 {
		return dir, ""
	}
	abs, err := filepath.Abs(dir)
	if err == nil && filepath.Base(filepath.Dir(abs)) == "fake" && len(splitFolders(filepath.Join(dir, "images"))) > 0 {
		return filepath.Dir(filepath.Dir(abs)), filepath.Base(abs)
	}
	return "", ""
}

// escaped keeps a path from being read as a pattern.
func escaped(path string) string {
	if os.PathSeparator == '\\' {
		return path // where a backslash parts names nothing can be escaped
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
		return nil, fmt.Errorf("%s is no data set in the layout of Dolos: expected fake/SET/images/SPLIT in it", dir)
	}
	var all []item
	entries, err := os.ReadDir(filepath.Join(root, "fake"))
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	for _, e := range entries {
		set := e.Name()
		folder := filepath.Join(root, "fake", set)
		if only != "" && set != only || !isFolder(filepath.Join(folder, "images")) {
			continue
		}
		for _, split := range splitFolders(filepath.Join(folder, "images")) {
			items, err := pairs(root, filepath.Join(folder, "images", split), filepath.Join(folder, "masks", split), sameStem)
			if err != nil {
				return nil, err
			}
			for i := range items {
				items[i].Set, items[i].Method = set, set
			}
			all = append(all, inSplit(items, split)...)
		}
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

// realPictures lists the untouched pictures of a folder.
func realPictures(dir string) ([]item, error) {
	items, err := listUntouched(dir)
	for i := range items {
		items[i].Set = SetReal
	}
	return items, err
}

// autoSpliceSets lists the folders of forged pictures.
func autoSpliceSets(dir string) []string {
	list, _ := filepath.Glob(filepath.Join(escaped(dir), "Forged_*"))
	return slices.DeleteFunc(list, func(path string) bool { return !isFolder(path) })
}

func isAutoSplice(dir string) bool {
	return len(autoSpliceSets(dir)) > 0 && isFolder(filepath.Join(dir, "Mask"))
}

func listAutoSplice(dir string) ([]item, error) {
	if !isAutoSplice(dir) {
		return nil, fmt.Errorf("%s is no data set in the layout of AutoSplice: expected Forged_JPEG75 (or 90, 100) and Mask in it", dir)
	}
	maskOf := func(stem string) string {
		if at := strings.LastIndexByte(stem, '_'); at >= 0 {
			stem = stem[:at]
		}
		return stem + "_mask"
	}
	var all []item
	for _, folder := range autoSpliceSets(dir) {
		items, err := pairs(dir, folder, filepath.Join(dir, "Mask"), maskOf)
		if err != nil {
			return nil, err
		}
		set := strings.TrimPrefix(filepath.Base(folder), "Forged_")
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
