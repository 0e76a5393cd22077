// Command changelog assembles CHANGELOG.md from the entries in changelog/.
//
//	go run ./tools/changelog                   write CHANGELOG.md
//	go run ./tools/changelog -check            fail if CHANGELOG.md or an entry is wrong
//	go run ./tools/changelog -release v1.2.0   move the unreleased entries to this version first
//
// changelog/TEMPLATE.md shows what an entry looks like.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is main with its arguments and standard error; it returns the exit status.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("changelog", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "directory that holds changelog/ and CHANGELOG.md")
	check := flags.Bool("check", false, "write nothing; fail if CHANGELOG.md is outdated")
	version := flags.String("release", "", "move the unreleased entries to this version, such as v1.2.0")
	date := flags.String("date", time.Now().UTC().Format(time.DateOnly), "date of the release")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	err := errors.New("-check and -release exclude each other")
	switch {
	case *check && *version != "":
	case *check:
		err = checkChangelog(*root)
	default:
		err = writeChangelog(*root, *version, *date)
	}
	if err != nil {
		fmt.Fprintln(stderr, "changelog:", err)
		return 1
	}
	return 0
}

// writeChangelog writes CHANGELOG.md, after moving the unreleased entries if version is not empty.
func writeChangelog(root, version, date string) error {
	if version != "" {
		if err := release(root, version, date); err != nil {
			return err
		}
	}
	text, err := render(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "CHANGELOG.md"), text, 0o644)
}

// checkChangelog returns an error unless CHANGELOG.md is what writeChangelog would write.
func checkChangelog(root string) error {
	want, err := render(root)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("CHANGELOG.md does not match the entries: run make changelog")
	}
	return nil
}
