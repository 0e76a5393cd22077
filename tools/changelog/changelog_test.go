package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	root := tree(t, map[string]string{
		"TEMPLATE.md":                 "not an entry",
		"unreleased/b.md":             "Fixed: A fix\n",
		"unreleased/c.md":             "Added: A second thing\n\nWhy it is here,\nin two lines.\n\nAnd more.\n",
		"unreleased/a.md":             "Added: A first thing\n",
		"v0.9.0_2026-01-02/x.md":      "Changed: An old change\n",
		"v0.10.0_2026-02-03/x.md":     "Security: A hole is closed\n",
		"v0.10.0_2026-02-03/later.md": "Fixed: Something\n",
	})
	if err := writeChangelog(root, "", ""); err != nil {
		t.Fatal(err)
	}
	want := `# Changelog

<!-- Made from changelog/ by make changelog: change the entries there, not here. -->

## Unreleased

### Added

- **A first thing.**
- **A second thing.**
  Why it is here,
  in two lines.

  And more.

### Fixed

- **A fix.**

## v0.10.0 (2026-02-03)

### Security

- **A hole is closed.**

### Fixed

- **Something.**

## v0.9.0 (2026-01-02)

### Changed

- **An old change.**
`
	got, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got:\n%s\nexpected:\n%s", got, want)
	}
	if err := checkChangelog(root); err != nil {
		t.Errorf("check after writing: %v", err)
	}
}

func TestCheckFindsAnOutdatedChangelog(t *testing.T) {
	root := tree(t, map[string]string{"unreleased/a.md": "Added: A thing\n"})
	var stderr bytes.Buffer
	if code := run([]string{"-root", root}, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if err := os.WriteFile(filepath.Join(root, "changelog", "unreleased", "b.md"), []byte("Fixed: Another\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"-root", root, "-check"}, &stderr); code != 1 || !strings.Contains(stderr.String(), "run make changelog") {
		t.Errorf("got exit code %d and %q, expected 1 and what to run", code, &stderr)
	}
}

func TestRelease(t *testing.T) {
	root := tree(t, map[string]string{"unreleased/a.md": "Added: A thing\n"})
	if err := writeChangelog(root, "v1.0.0", "2026-03-04"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "## v1.0.0 (2026-03-04)\n") || strings.Contains(string(text), "Unreleased") {
		t.Errorf("got:\n%s", text)
	}
	for _, c := range []struct{ version, date, want string }{
		{"v1.1.0", "2026-03-05", "no entries"},
		{"1.1.0", "2026-03-05", "expected such as"},
		{"v1.1.0", "yesterday", "expected such as"},
	} {
		if err := writeChangelog(root, c.version, c.date); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: got error %v, expected %q", c.version, c.date, err, c.want)
		}
	}
	again := filepath.Join(root, "changelog", "unreleased")
	if err := os.MkdirAll(again, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(again, "b.md"), []byte("Fixed: B\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeChangelog(root, "v1.0.0", "2026-03-06"); err == nil || !strings.Contains(err.Error(), "is released") {
		t.Errorf("a second v1.0.0: got error %v", err)
	}
}

func TestBadEntries(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"no kind", "unreleased/a.md", "A thing\n", "a.md: line 1: expected KIND: TITLE"},
		{"unknown kind", "unreleased/a.md", "Better: A thing\n", "line 1"},
		{"empty", "unreleased/a.md", "", "line 1"},
		{"long title", "unreleased/a.md", "Added: " + strings.Repeat("x", 81), "80 characters"},
		{"full stop", "unreleased/a.md", "Added: A thing.", "full stop"},
		{"no empty line", "unreleased/a.md", "Added: A thing\nmore\n", "line 2"},
		{"not Markdown", "unreleased/a.txt", "Added: A thing\n", ".md"},
		{"name of a directory", "next/a.md", "Added: A thing\n", "expected the name unreleased"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := tree(t, map[string]string{c.file: c.text})
			if err := writeChangelog(root, "", ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, expected %q", err, c.want)
			}
		})
	}
}

// TestTheProjectsChangelog keeps CHANGELOG.md and the entries of this repository together.
func TestTheProjectsChangelog(t *testing.T) {
	if err := checkChangelog(filepath.Join("..", "..")); err != nil {
		t.Error(err)
	}
}

// tree makes a root with a changelog directory that holds the given files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, "changelog", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
