// Command lint checks the project's prose: unwanted turns of phrase, wide comments, package docs.
//
// It reads the files that git tracks, or will track, below the current directory:
//
//	go run ./tools/lint [path...]
//
// With paths, only findings in these files and directories are printed. Each finding is one line:
//
//	path:line: "turn": suggested wording
//
// The turns are in turns.txt. A line that has to use one ends in a comment "lint:allow REASON".
// The exit status is 1 if there are findings, and 2 if the check could not be done.
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// finding is one line of the report.
type finding struct {
	file    string
	line    int
	message string
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its arguments and streams; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "directory to check")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	findings, err := check(*root)
	if err != nil {
		fmt.Fprintln(stderr, "lint:", err)
		return 2
	}
	n := 0
	for _, f := range findings {
		if !within(f.file, flags.Args()) {
			continue
		}
		n++
		fmt.Fprintf(stdout, "%s:%d: %s\n", f.file, f.line, f.message)
	}
	if n > 0 {
		fmt.Fprintf(stderr, "lint: %d findings; tools/lint/main.go says how to allow a line\n", n)
		return 1
	}
	return 0
}

// within reports whether file is one of the paths or below one of them. No paths means all files.
func within(file string, paths []string) bool {
	if len(paths) == 0 {
		return true
	}
	return slices.ContainsFunc(paths, func(p string) bool {
		p = path.Clean(filepath.ToSlash(p))
		return p == "." || file == p || strings.HasPrefix(file, p+"/")
	})
}

// check returns the findings in the tracked files below root, ordered by file and line.
func check(root string) ([]finding, error) {
	rules, err := embeddedRules()
	if err != nil {
		return nil, err
	}
	files, err := trackedFiles(root)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, name := range files {
		if ignored(name) {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) { // deleted, but not yet in the index
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err := checkFile(rules, name, source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		findings = append(findings, found...)
	}
	packages, err := checkPackages(root, files)
	if err != nil {
		return nil, err
	}
	findings = append(findings, packages...)
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	return findings, nil
}

// trackedFiles lists the files below root that git tracks or would add, with slashes.
func trackedFiles(root string) ([]string, error) {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(files)
	return slices.Compact(files), nil
}

// ignored reports files that hold no prose of the project: test data and texts of others.
func ignored(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "testdata" || part == "node_modules" || part == "LICENSE" {
			return true
		}
	}
	return false
}

// checkFile returns the findings in one file.
func checkFile(rules []rule, name string, source []byte) ([]finding, error) {
	texts, err := extract(name, source)
	if err != nil {
		return nil, err
	}
	found := searchTurns(rules, name, texts)
	if path.Ext(name) == ".go" && !isGenerated(source) {
		wide, err := wideComments(name, source)
		if err != nil {
			return nil, err
		}
		found = append(found, wide...)
	}
	if len(texts) == 0 { // no prose, so the marker below means nothing in it
		return found, nil
	}
	return applyAllowances(name, source, found), nil
}
