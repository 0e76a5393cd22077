package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// input is a picture to process, or a path that is not one.
type input struct {
	path string // as given, or as found in the given directory; stdinPath: standard input
	stem string // beginning of the names of its results
	err  error  // why the path cannot be read
	// file waits for the contents of the picture's file; nil: it is read from path.
	file func(ctx context.Context) ([]byte, error)
}

// decode decodes the picture: from file, if there is one, otherwise from its path. Errors name the
// path in both cases.
func (in *input) decode(ctx context.Context, file []byte, limits picture.Limits) (*picture.Picture, error) {
	if in.file == nil {
		return openInput(ctx, in.path, limits)
	}
	decoded, err := picture.DecodeContext(ctx, file, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.path, err)
	}
	return decoded, nil
}

// leftOut says which files of a directory are not used.
type leftOut struct {
	dir      string
	pictures int // that are used
	files    picture.LeftOut
}

func (l leftOut) String() string { return fmt.Sprintf("%s: left out %s", quoted(l.dir), l.files) }

// collect lists the pictures of the paths, each one once, in the order of the paths. Directories
// are searched recursively in lexical order, except for the directory skip: results of an earlier
// run are not pictures to process. leftOut says for each directory which of its files are not
// pictures.
func collect(paths []string, skip string) (inputs []input, leftOut []leftOut) {
	c := collector{seen: map[string]bool{}, skip: absolute(skip)}
	for _, path := range paths {
		c.add(path)
	}
	return c.inputs, c.leftOut
}

type collector struct {
	inputs  []input
	leftOut []leftOut       // what is not used of directories
	seen    map[string]bool // by absolute path
	skip    string
}

// openInput decodes the picture at a path, or on standard input.
func openInput(ctx context.Context, path string, limits picture.Limits) (*picture.Picture, error) {
	if path != stdinPath {
		return picture.OpenContext(ctx, path, limits)
	}
	p, err := picture.ReadContext(ctx, os.Stdin, limits)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return p, nil
}

// stdinPath names standard input instead of a file.
const stdinPath = "-"

func (c *collector) add(path string) {
	if path == stdinPath {
		c.take(path)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.fail(path, err)
	case info.IsDir():
		c.walk(path)
	default:
		c.take(path)
	}
}

func (c *collector) take(path string) {
	key := absolute(path)
	if c.seen[key] {
		return
	}
	c.seen[key] = true
	c.inputs = append(c.inputs, input{path: path})
}

func (c *collector) fail(path string, err error) {
	if bad := (*fs.PathError)(nil); errors.As(err, &bad) {
		err = bad.Err // the message has the path already
	}
	c.inputs = append(c.inputs, input{path: path, err: fmt.Errorf("%s: %w", path, err)})
}

var errNoPictures = errors.New("directory contains no pictures (" + strings.Join(picture.Extensions, " ") + ")")

// walk adds the pictures below a directory, without hidden files and directories.
func (c *collector) walk(root string) {
	found := picture.Find(root, func(dir string) bool { return absolute(dir) == c.skip })
	pictures := slices.DeleteFunc(found.Pictures, c.isResult)
	for _, path := range pictures {
		c.take(path)
	}
	for _, err := range found.Failed {
		path := root
		if bad := (*fs.PathError)(nil); errors.As(err, &bad) {
			path = bad.Path
		}
		c.fail(path, err)
	}
	if len(pictures) == 0 && len(found.Failed) == 0 {
		c.fail(root, errNoPictures)
	}
	found.LeftOut = slices.DeleteFunc(found.LeftOut, c.isResult)
	if len(found.LeftOut) > 0 {
		c.leftOut = append(c.leftOut, leftOut{root, len(pictures), found.LeftOut})
	}
}

// isResult reports whether a file in the output directory is named like a result of an earlier run.
func (c *collector) isResult(path string) bool {
	named := slices.ContainsFunc(resultSuffixes, func(s string) bool { return strings.HasSuffix(path, s) })
	return named && absolute(filepath.Dir(path)) == c.skip
}

// absolute returns a path that identifies the file.
func absolute(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// nameResults gives every input a stem of its own, to which the suffixes are appended: the file's
// name without its extension; if that is in use, with the extension ("a-png"); if that is in use
// too, with a number ("a-png-2"). Names that differ only in case count as equal, because they are
// on some file systems. A stem is cut if a result's name would be longer than file systems take.
func nameResults(inputs []input, suffixes []string) {
	longest := 0
	for _, suffix := range suffixes {
		longest = max(longest, len(suffix))
	}
	taken := map[string]bool{}
	name := func(stem, suffix string) string { return strings.ToLower(stem + suffix) }
	for i := range inputs {
		in := &inputs[i]
		if in.err != nil {
			continue
		}
		base := filepath.Base(in.path)
		if in.path == stdinPath {
			base = "stdin"
		}
		ext := filepath.Ext(base)
		stem := strings.TrimSuffix(base, ext)
		if stem == "" { // a name like ".png"
			stem = strings.TrimPrefix(ext, ".")
		}
		long := stem
		if ext != "" {
			long = stem + "-" + strings.TrimPrefix(ext, ".")
		}
		candidate := cutStem(stem, longest)
		isTaken := func(suffix string) bool { return taken[name(candidate, suffix)] }
		for n := 1; slices.ContainsFunc(suffixes, isTaken); n++ {
			candidate = cutStem(long, longest)
			if n > 1 {
				candidate = cutStem(fmt.Sprintf("%s-%d", long, n), longest)
			}
		}
		for _, suffix := range suffixes {
			taken[name(candidate, suffix)] = true
		}
		in.stem = candidate
	}
}

// maxName is the number of bytes that most file systems allow in a name.
const maxName = 255

// cutStem shortens a stem to which up to suffix bytes are appended. What is cut is replaced by a
// hash of the whole stem, so that stems with the same beginning stay different.
func cutStem(stem string, suffix int) string {
	room := maxName - suffix
	if len(stem) <= room {
		return stem
	}
	sum := sha256.Sum256([]byte(stem))
	mark := "~" + hex.EncodeToString(sum[:4])
	return strings.ToValidUTF8(stem[:max(room-len(mark), 0)], "") + mark
}

// protectInputs refuses an output directory in which a result would replace one of the pictures.
func protectInputs(inputs []input, out string, suffixes []string) error {
	pictures := map[string]string{}
	for _, in := range inputs {
		if in.err == nil {
			pictures[strings.ToLower(absolute(in.path))] = in.path
		}
	}
	for _, in := range inputs {
		for _, suffix := range suffixes {
			result := filepath.Join(out, in.stem+suffix)
			if path, ok := pictures[strings.ToLower(absolute(result))]; ok && in.err == nil {
				return fmt.Errorf("the result %s of %s would replace the picture %s: choose another directory with -o", result, in.path, path)
			}
		}
	}
	return nil
}
