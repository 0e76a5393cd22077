package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kinds of entries, in the order in which a section lists them.
var kinds = []string{"Security", "Removed", "Changed", "Added", "Fixed"}

const (
	unreleased = "unreleased" // the directory of entries without a version
	maxTitle   = 80           // characters
)

// section is one release: the entries of one directory.
type section struct {
	heading string
	version [3]int // zero for unreleased
	entries []entry
}

// entry is one change that users notice.
type entry struct {
	kind, title, body string
}

var (
	versionPattern = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)$`)
	datePattern    = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// release renames changelog/unreleased to changelog/VERSION_DATE.
func release(root, version, date string) error {
	if !versionPattern.MatchString(version) || !datePattern.MatchString(date) {
		return fmt.Errorf("version %q of %q: expected such as v1.2.0 of 2026-01-31", version, date)
	}
	from := filepath.Join(root, "changelog", unreleased)
	entries, err := readEntries(from)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("%s has no entries", from)
	}
	old, err := filepath.Glob(filepath.Join(root, "changelog", version+"_*"))
	if err != nil {
		return err
	}
	if len(old) > 0 {
		return fmt.Errorf("%s exists: %s is released", old[0], version)
	}
	return os.Rename(from, filepath.Join(root, "changelog", version+"_"+date))
}

// render returns the text of CHANGELOG.md.
func render(root string) ([]byte, error) {
	sections, err := readSections(filepath.Join(root, "changelog"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("# Changelog\n\n<!-- Made from changelog/ by make changelog: change the entries there, not here. -->\n")
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n", s.heading)
		kind := ""
		for _, e := range s.entries {
			if e.kind != kind {
				kind = e.kind
				fmt.Fprintf(&b, "\n### %s\n\n", kind)
			}
			fmt.Fprintf(&b, "- **%s.**", e.title)
			if e.body != "" {
				b.WriteString("\n  " + strings.ReplaceAll(e.body, "\n", "\n  "))
			}
			b.WriteString("\n")
		}
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("\n  \n"), []byte("\n\n")), nil
}

// readSections reads all releases, the newest first; unreleased changes precede them.
func readSections(folder string) ([]section, error) {
	found, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var sections []section
	for _, d := range found {
		if !d.IsDir() {
			continue
		}
		s, err := newSection(d.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(folder, d.Name()), err)
		}
		if s.entries, err = readEntries(filepath.Join(folder, d.Name())); err != nil {
			return nil, err
		}
		if len(s.entries) > 0 {
			sections = append(sections, s)
		}
	}
	slices.SortFunc(sections, func(a, b section) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), slices.Compare(b.version[:], a.version[:]))
	})
	return sections, nil
}

func rank(s section) int {
	if s.version == [3]int{} {
		return 1
	}
	return 0
}

// newSection makes a section from the name of its directory: "unreleased" or VERSION_DATE.
func newSection(name string) (section, error) {
	if name == unreleased {
		return section{heading: "Unreleased"}, nil
	}
	version, date, _ := strings.Cut(name, "_")
	numbers := versionPattern.FindStringSubmatch(version)
	if numbers == nil || !datePattern.MatchString(date) {
		return section{}, errors.New("expected the name unreleased, or such as v1.2.0_2026-01-31")
	}
	s := section{heading: version + " (" + date + ")"}
	for i := range s.version {
		n, err := strconv.Atoi(numbers[i+1])
		if err != nil {
			return section{}, err
		}
		s.version[i] = n
	}
	return s, nil
}

// readEntries reads the entries of a directory in the order in which they are listed. A missing
// directory has none: git keeps no empty ones.
func readEntries(folder string) ([]entry, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, name := range names { // sorted by name
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		e, err := parseEntry(filepath.Base(name), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Compare(slices.Index(kinds, a.kind), slices.Index(kinds, b.kind))
	})
	return entries, nil
}

// parseEntry reads "Kind: title", an empty line, and a body, which may be left out.
func parseEntry(name, text string) (entry, error) {
	if filepath.Ext(name) != ".md" {
		return entry{}, errors.New("expected a name that ends in .md")
	}
	first, body, more := strings.Cut(strings.TrimSpace(text), "\n")
	kind, title, ok := strings.Cut(first, ": ")
	title = strings.TrimSpace(title)
	switch {
	case !ok || !slices.Contains(kinds, kind):
		return entry{}, fmt.Errorf("line 1: expected KIND: TITLE with one of the kinds %s", strings.Join(kinds, ", "))
	case title == "" || utf8.RuneCountInString(title) > maxTitle:
		return entry{}, fmt.Errorf("line 1: expected a title of 1 to %d characters", maxTitle)
	case strings.HasSuffix(title, "."):
		return entry{}, errors.New("line 1: expected a title without a full stop")
	case more && !strings.HasPrefix(body, "\n"):
		return entry{}, errors.New("line 2: expected an empty line after the title")
	}
	return entry{kind, title, strings.TrimSpace(body)}, nil
}
