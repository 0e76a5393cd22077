package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// ran runs the program and gives what it prints. It must end with the given code.
func ran(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := Run(t.Context(), args, &out, &errs); got != code {
		t.Fatalf("declip %s ends with %d, expected %d: %s", strings.Join(args, " "), got, code, errs.String())
	}
	return out.String()
}

// heads cuts lines of JSON before a field and orders them by their beginnings.
func heads(t *testing.T, text, field string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(text) {
		head, _, found := strings.Cut(line, field)
		if !found || !json.Valid([]byte(line)) {
			t.Fatalf("no %s in %s", field, line)
		}
		list = append(list, head)
	}
	return list
}

// A record of a job has the bytes that "declip localize --json" prints for the picture, and a job's
// map is the same file.
func TestJobGivesTheRecordsOfLocalize(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	photos := filepath.Join(dir, "photos")
	if err := os.CopyFS(photos, os.DirFS(filepath.Join("..", "..", "testdata", "sample"))); err != nil {
		t.Fatal(err)
	}
	out, home := filepath.Join(dir, "out"), filepath.Join(dir, "jobs")
	localized := ran(t, exitOK, "localize", "--json", "--threshold", "0.3", "-o", out, photos)
	printed := ran(t, exitOK, "jobs", "run", "--jobs", home, "--threshold", "0.3", "--maps", "all", photos)
	id := regexp.MustCompile(`job (\w+): (\d+) pictures`).FindStringSubmatch(printed)
	if id == nil {
		t.Fatalf("jobs run prints %q", printed)
	}
	records := ran(t, exitOK, "jobs", "results", "--jobs", home, id[1])
	want := heads(t, localized, `,"files":`)
	got := heads(t, records, `,"item":`)
	if len(want) < 2 || fmt.Sprint(len(want)) != id[2] || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got records\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	maps, err := filepath.Glob(filepath.Join(home, "store", "jobs", "default", id[1], "*", "maps", "0.prob.png"))
	if err != nil || len(maps) != 1 {
		t.Fatalf("got maps %q, %v", maps, err)
	}
	var first struct{ Files files }
	if err := json.Unmarshal([]byte(strings.Split(localized, "\n")[0]), &first); err != nil {
		t.Fatal(err)
	}
	if stored, prob := readAll(t, maps[0]), readAll(t, first.Files.Prob); !bytes.Equal(stored, prob) {
		t.Errorf("%s has %d bytes, %s has %d others", maps[0], len(stored), first.Files.Prob, len(prob))
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
