package dataset

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// arrangement is a published layout: how its directory is recognised, and which mask belongs to
// which picture. docs/data.md names the programs whose loaders read the same files.
type arrangement struct {
	layout string
	title  string   // for messages
	expect string   // what is in the directory, for messages
	marks  []string // all of these paths or patterns exist; "a|b" is either of them
	rules  []pairRule

	inverted bool     // 0 = manipulated
	masks    MaskRule // for masks that are not recognised as they are
	says     string   // what the rule does, for a notice
}

// pairRule finds pictures and their masks by their paths: relative to the data set, with slashes
// and without extension.
type pairRule struct {
	pictures *regexp.Regexp // the group "split", if it has one, names the split
	mask     string         // path, with groups such as $1 and * for any name; "": untouched pictures
	set      string         // "" is setTampered
	method   string         // with groups
}

// untouchedRule finds untouched pictures.
func untouchedRule(pictures string) pairRule {
	return pairRule{pictures: regexp.MustCompile(pictures), set: SetReal}
}

func manipulatedRule(pictures, mask, method string) pairRule {
	return pairRule{pictures: regexp.MustCompile(pictures), mask: mask, set: setTampered, method: method}
}

func (r pairRule) inSet(set string) pairRule {
	r.set = set
	return r
}

// greenMarks reads Columbia's masks: red and green areas come from the two cameras, and green ones
// were pasted in.
var greenMarks = MaskRule{Channel: ChannelGreen, Values: mustValues("121-255")}

// notBlack reads masks of several levels all of which mark.
var notBlack = MaskRule{Channel: ChannelLuma, Values: mustValues("11-255")}

func mustValues(text string) Values {
	v, err := ParseValues(text)
	if err != nil {
		panic(err) // a mistake in this file
	}
	return v
}

const (
	tgifPath = `/(?P<split>[^/]+)/([^/]+)/(\d+_mask_(?:bbox|segm))`
	tgifMask = "masks/$split/$2/${3}"
)

// arrangements lists the published layouts that pair by paths.
var arrangements = []arrangement{
	{
		layout: LayoutColumbia, title: "Columbia", expect: "4cam_splc with edgemask, and 4cam_auth",
		marks: []string{"4cam_splc/edgemask"},
		rules: []pairRule{
			manipulatedRule(`^4cam_splc/([^/]+)$`, "4cam_splc/edgemask/${1}_edgemask", "splicing"),
			untouchedRule(`^4cam_auth/[^/]+$`),
		},
		masks: greenMarks, says: "green over 120 means manipulated in its masks",
	},
	{
		layout: LayoutDSO1, title: "DSO-1", expect: "DSO-1 with splicing-01.png and normal-01.png, and DSO-1-Fake-Images-Masks",
		marks: []string{"DSO-1/splicing-*", "DSO-1-Fake-Images-Masks"},
		rules: []pairRule{
			manipulatedRule(`^DSO-1/(splicing-[^/]+)$`, "DSO-1-Fake-Images-Masks/$1", "splicing"),
			untouchedRule(`^DSO-1/normal-[^/]+$`),
		},
		inverted: true,
	},
	{
		layout: LayoutCASIA, title: "CASIA", expect: `"CASIA 2.0/Tp" with "CASIA 2 Groundtruth", or "CASIA 1.0 dataset" with "CASIA 1.0 groundtruth"`,
		marks: []string{"CASIA 2.0/Tp|CASIA 1.0 dataset", "CASIA 2 Groundtruth|CASIA 1.0 groundtruth"},
		rules: []pairRule{
			manipulatedRule(`^CASIA 2\.0/Tp/([^/]+)$`, "CASIA 2 Groundtruth/${1}_gt", "").inSet("casia2"),
			manipulatedRule(`^CASIA 1\.0 dataset/(?:Modified T[Pp]/)?(?:T[Pp]/)?(CM|Sp)/([^/]+)$`, "CASIA 1.0 groundtruth/$1/${2}_gt", "").inSet("casia1"),
			untouchedRule(`^CASIA (?:2\.0|1\.0 dataset)/Au/(?:[^/]+/)*[^/]+$`),
		},
	},
	{
		layout: LayoutCocoGlide, title: "CocoGlide", expect: "fake/glide_inpainting_val2017_1_up.png, real and mask/CLASS_1_mask.png",
		marks: []string{"fake/glide_inpainting_val2017_*", "mask"},
		rules: []pairRule{
			manipulatedRule(`^fake/glide_inpainting_val2017_(\d+)_up$`, "mask/*_${1}_mask", "glide"),
			untouchedRule(`^real/[^/]+$`),
		},
	},
	{
		layout: LayoutTGIF, title: "TGIF", expect: "masks/SPLIT/CLASS, orig and any of sd2-sp, sd2-fr, sdxl-fr and ps-sp",
		marks: []string{"masks", "sd2-sp|sd2-fr|sdxl-fr|ps-sp"},
		rules: []pairRule{
			manipulatedRule(`^sd2-fr`+tgifPath+`\.png_sd2-512_\d+$`, tgifMask+"_512", "sd2-fr").inSet("sd2-fr"),
			manipulatedRule(`^sdxl-fr`+tgifPath+`\.png_sdxl-1024_\d+$`, tgifMask+"_1024", "sdxl-fr").inSet("sdxl-fr"),
			manipulatedRule(`^sd2-sp`+tgifPath+`\.png_ps_mask\.png_sd2_\d+$`, tgifMask+".png_ps_mask", "sd2-sp").inSet("sd2-sp"),
			manipulatedRule(`^ps-sp`+tgifPath+`\.png_ps_\d+$`, tgifMask+".png_ps_mask", "ps-sp").inSet("ps-sp"),
			untouchedRule(`^orig/(?P<split>[^/]+)/[^/]+/\d+_orig(?:_\d+)?$`),
		},
	},
	{
		layout: LayoutKorus, title: "Realistic Tampering", expect: "CAMERA/tampered-realistic, CAMERA/ground-truth and CAMERA/pristine",
		marks: []string{"*/tampered-realistic", "*/ground-truth"},
		rules: []pairRule{
			manipulatedRule(`^([^/]+)/tampered-realistic/([^/]+)$`, "$1/ground-truth/$2", ""),
			untouchedRule(`^[^/]+/pristine/[^/]+$`),
		},
		masks: notBlack, says: "grey levels over 10 mean manipulated in its masks",
	},
	{
		layout: LayoutCoverage, title: "COVERAGE", expect: "image/1t.tif and mask/1forged.tif",
		marks: []string{"mask/*forged.*", "image|tampered"},
		rules: []pairRule{
			manipulatedRule(`^(?:image|tampered)/(\d+)t$`, "mask/${1}forged", "copy-move"),
			untouchedRule(`^image/\d+$`),
		},
	},
	{
		layout: LayoutCoMoFoD, title: "CoMoFoD", expect: "001_F.png, 001_O.png and 001_B.png",
		marks: []string{"[0-9][0-9][0-9]_B.png"},
		rules: []pairRule{
			manipulatedRule(`^(\d{3})_F(?:_([A-Z]{2}\d))?$`, "${1}_B", "copy-move $2"),
			untouchedRule(`^\d{3}_O(?:_[A-Z]{2}\d)?$`),
		},
	},
}

// is recognises the layout.
func (a *arrangement) is(dir string) bool {
	for _, mark := range a.marks {
		found := false
		for _, pattern := range strings.Split(mark, "|") {
			list, _ := filepath.Glob(filepath.Join(escaped(dir), filepath.FromSlash(pattern)))
			found = found || len(list) > 0
		}
		if !found {
			return false
		}
	}
	return true
}

// list pairs the pictures below a directory.
func (a *arrangement) list(dir string) (items []item, notices []string, err error) {
	if !a.is(dir) {
		return nil, nil, fmt.Errorf("%s is not a data set in the layout of %s: expected %s in it", dir, a.title, a.expect)
	}
	found := picture.Find(dir, nil)
	for _, err := range found.Failed {
		return nil, nil, fmt.Errorf("data set %s: %w", dir, err)
	}
	l := lister{arrangement: a, files: map[string]string{}, used: map[string]bool{}}
	for _, file := range found.Pictures {
		rel := relativeStem(dir, file)
		if _, taken := l.files[rel]; !taken || strings.EqualFold(filepath.Ext(file), ".png") {
			l.files[rel] = file
		}
	}
	slices.SortStableFunc(found.Pictures, func(a, b string) int {
		return strings.Compare(relativeStem(dir, a), relativeStem(dir, b))
	})
	for _, file := range found.Pictures {
		if it, ok := l.pair(file, relativeStem(dir, file)); ok {
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return nil, nil, fmt.Errorf("data set %s in the layout of %s: %w", dir, a.title, ErrEmpty)
	}
	if a.says != "" {
		notices = append(notices, dir+": "+a.says)
	}
	rest := slices.DeleteFunc(found.Pictures, func(file string) bool { return l.used[file] })
	if len(rest) > 0 {
		notices = append(notices, fmt.Sprintf("%s: %d picture files are not part of the layout and not used, such as %s", dir, len(rest), rest[0]))
	}
	return items, notices, nil
}

// lister pairs the pictures of one data set.
type lister struct {
	*arrangement
	files map[string]string // by path without extension; a PNG takes precedence
	used  map[string]bool   // files
}

func relativeStem(dir, file string) string {
	rel, err := filepath.Rel(dir, file)
	if err != nil {
		rel = file
	}
	rel = filepath.ToSlash(rel)
	return strings.TrimSuffix(rel, path.Ext(rel))
}

// pair is a picture with its mask, by its path without extension; false if no rule is about it.
func (l *lister) pair(file, rel string) (item, bool) {
	for _, r := range l.rules {
		m := r.pictures.FindStringSubmatchIndex(rel)
		if m == nil {
			continue
		}
		l.used[file] = true
		expand := func(template string) string {
			return string(r.pictures.ExpandString(nil, template, rel, m))
		}
		it := authentic(file)
		if at := r.pictures.SubexpIndex("split"); at > 0 {
			it.Split = splitOf(rel[m[2*at]:m[2*at+1]])
		}
		if r.mask == "" {
			return it, true
		}
		it.Set, it.Label, it.Method = r.set, Unlabelled, strings.TrimSpace(expand(r.method))
		it.Inverted, it.rule = l.inverted, l.masks
		l.attach(&it, expand(r.mask), strings.Contains(r.mask, "*"))
		return it, true
	}
	return item{}, false
}

// attach looks for an item's mask. With anyName, a * in its path matches any name.
func (l *lister) attach(it *item, mask string, anyName bool) {
	var fitting []string
	if file := l.files[mask]; file != "" {
		fitting = []string{file}
	}
	if anyName {
		for rel, file := range l.files {
			if ok, _ := path.Match(mask, rel); ok {
				fitting = append(fitting, file)
			}
		}
		slices.Sort(fitting)
	}
	for _, file := range fitting {
		l.used[file] = true
	}
	switch len(fitting) {
	case 1:
		it.Mask = fitting[0]
	case 0:
		it.problem = fmt.Sprintf("%s has no mask %s", it.Image, mask)
	default:
		it.problem = fmt.Sprintf("%s has %d masks: %s", it.Image, len(fitting), strings.Join(fitting, ", "))
	}
}
