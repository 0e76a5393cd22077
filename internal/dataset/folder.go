package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/declip/declip/internal/picture"
)

// Extensions that count as pictures in a folder, in lower case.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}

// Folder is a data set on disk: images/NAME.EXT with masks/NAME.png beside them (255 = manipulated),
// and optionally manifest.jsonl, one JSON object a line, whose "method" is taken for the picture that
// its "name" or "image" names. Pictures are in the order of their file names.
type Folder struct {
	dir    string
	limits picture.Limits
	items  []item
}

type item struct {
	image, mask  string // paths
	name, method string
	bytes        int64
	problem      string // why there is no fitting mask; only in a lenient folder
}

// FolderOptions say how a folder is read. The zero value is the usual way.
type FolderOptions struct {
	Limits picture.Limits
	// SkipSizes leaves out the look into every file's header for the sizes of picture and mask,
	// which otherwise finds a bad pair before hours of training do.
	SkipSizes bool
	// Lenient keeps pictures without a fitting mask in the list, for Load to say what is wrong with each. Sizes
	// are then not looked at beforehand either.
	Lenient bool
}

// PairError lists the pictures of a folder that cannot be read, or whose masks cannot, are missing or do not fit.
type PairError struct {
	Dir      string
	Problems []string // each names the file
}

// Error names the folder, the number of problems and the first few of them.
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

// OpenFolder lists the pictures of dir and checks that each has its mask. Errors: a *PairError for
// missing or mis-sized masks, one that wraps ErrEmpty where there are no pictures, and what the
// operating system says about folders that cannot be read.
func OpenFolder(dir string, options FolderOptions) (*Folder, error) {
	methods, err := readManifest(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		return nil, err
	}
	names, err := pictureNames(filepath.Join(dir, "images"))
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, limits: options.Limits}
	pair := &PairError{Dir: dir}
	for i, name := range names {
		stem := strings.TrimSuffix(name, filepath.Ext(name))
		it := item{
			image: filepath.Join(dir, "images", name),
			mask:  filepath.Join(dir, "masks", stem+".png"),
			name:  name, method: methods[stem],
		}
		switch {
		case i > 0 && stem == strings.TrimSuffix(names[i-1], filepath.Ext(names[i-1])):
			it.problem = fmt.Sprintf("images/%s and images/%s would share one mask", names[i-1], name)
		case !exists(it.mask):
			it.problem = fmt.Sprintf("images/%s has no masks/%s.png", name, stem)
		}
		if it.problem != "" && !options.Lenient {
			pair.Problems = append(pair.Problems, it.problem)
			continue
		}
		if info, err := os.Stat(it.image); err == nil {
			it.bytes = info.Size()
		}
		f.items = append(f.items, it)
	}
	if !options.SkipSizes && !options.Lenient {
		pair.Problems = append(pair.Problems, f.checkSizes()...)
	}
	if len(pair.Problems) > 0 {
		return nil, pair
	}
	return f, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// pictureNames lists the picture files of a folder, sorted by stem, then by name.
func pictureNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is no data set: expected folders images and masks in it: %w", filepath.Dir(dir), err)
	}
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	var names []string
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".")
		if !e.IsDir() && !hidden && slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("data set %s: %w", dir, ErrEmpty)
	}
	slices.SortFunc(names, func(a, b string) int {
		byStem := strings.Compare(strings.TrimSuffix(a, filepath.Ext(a)), strings.TrimSuffix(b, filepath.Ext(b)))
		if byStem != 0 {
			return byStem
		}
		return strings.Compare(a, b)
	})
	return names, nil
}

// readManifest gives the method by the picture's stem. A folder without a manifest is a good folder.
func readManifest(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	methods := map[string]string{}
	reader := bufio.NewReader(file)
	for line := 1; ; line++ {
		text, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(strings.TrimSpace(string(text))) > 0 {
			var entry struct{ Name, Image, Method string }
			if e := json.Unmarshal(text, &entry); e != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, line, e)
			}
			base := filepath.Base(filepath.ToSlash(firstNonEmpty(entry.Name, entry.Image)))
			if ext := filepath.Ext(base); slices.Contains(extensions, strings.ToLower(ext)) {
				base = strings.TrimSuffix(base, ext)
			}
			methods[base] = entry.Method
		}
		if err == io.EOF {
			return methods, nil
		}
	}
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// checkSizes reads the headers of all pairs and gives a line for each that does not fit.
func (f *Folder) checkSizes() []string {
	problems := make([]string, len(f.items))
	var group errgroup.Group
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, it := range f.items {
		group.Go(func() error {
			problems[i] = sizeProblem(it)
			return nil
		})
	}
	_ = group.Wait()
	return slices.DeleteFunc(problems, func(s string) bool { return s == "" })
}

func sizeProblem(it item) string {
	w, h, err := headerSize(it.image)
	if err != nil {
		return err.Error()
	}
	mw, mh, err := headerSize(it.mask)
	if err != nil {
		return err.Error()
	}
	if w != mw || h != mh {
		return fmt.Sprintf("%s is %dx%d, its mask %s is %dx%d", it.image, w, h, it.mask, mw, mh)
	}
	return ""
}

// Len is the number of pictures.
func (f *Folder) Len() int { return len(f.items) }

// Name is picture i's file name.
func (f *Folder) Name(i int) string { return f.items[i].name }

// Path is picture i's file.
func (f *Folder) Path(i int) string { return f.items[i].image }

// Load decodes picture i and its mask. Its errors name the file.
func (f *Folder) Load(i int) (Sample, error) {
	it := f.items[i]
	if it.problem != "" {
		return Sample{}, &PairError{Dir: f.dir, Problems: []string{it.problem}}
	}
	decoded, err := picture.Open(it.image, f.limits)
	if err != nil {
		return Sample{}, err
	}
	mask, err := picture.OpenGray(it.mask, f.limits)
	if err != nil {
		return Sample{}, err
	}
	if mask.Width != decoded.Width || mask.Height != decoded.Height {
		return Sample{}, &PairError{Dir: f.dir, Problems: []string{fmt.Sprintf("%s is %dx%d, its mask %s is %dx%d",
			it.image, decoded.Width, decoded.Height, it.mask, mask.Width, mask.Height)}}
	}
	return Sample{Picture: decoded.RGB, Mask: mask, Name: it.name, Path: it.image, Method: it.method}, nil
}

// Fingerprint is a hexadecimal SHA-256 of the names and lengths of all pictures, so that a
// checkpoint can say what it was trained on. It does not read the pictures.
func (f *Folder) Fingerprint() string {
	hash := sha256.New()
	for _, it := range f.items {
		fmt.Fprintf(hash, "%s\x00%d\x00%s\n", it.name, it.bytes, it.method)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
