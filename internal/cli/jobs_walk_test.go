package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/declip/declip/internal/jobs/queue/queuetest"
	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// walkOf gives the code blocks without a language of a section of docs/jobs.md.
func walkOf(t *testing.T, section string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "jobs.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("docs/jobs.md has no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for _, b := range codeBlocks(rest) {
		list = append(list, b.text)
	}
	return list
}

// shell runs a script in a directory and gives what it prints. What it starts in the background is
// stopped at its end.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "set -eu\ntrap 'jobs -p > pids; kill $(cat pids) 2>/dev/null || true; wait || true' EXIT\n"+script)
	var errs strings.Builder
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s\nthe script is\n%s", err, out, errs.String(), script)
	}
	return string(out)
}

// The walks of docs/jobs.md on one machine do as printed what the page says: a job on a directory,
// and a head with two workers. Only ports and directories are others.
func TestDocumentedWalks(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	photos := filepath.Join(dir, "photos")
	smallPictures(t, photos, 6)
	localized := ran(t, exitOK, "localize", "--json", "-o", filepath.Join(dir, "out"), photos)
	t.Run("one machine", func(t *testing.T) {
		list := walkOf(t, "One machine")
		if len(list) != 2 {
			t.Fatalf("got %d blocks, expected 2", len(list))
		}
		printed := shell(t, dir, list[0])
		id := regexp.MustCompile(`job (\w+): 6 pictures, \d+ flagged, 0 failed`).FindStringSubmatch(printed)
		if id == nil {
			t.Fatalf("the job prints %q", printed)
		}
		again := shell(t, dir, list[0]) // it continues, and finds nothing to do
		if again != printed {
			t.Errorf("the same command prints\n%s\nexpected\n%s", again, printed)
		}
		printed = shell(t, dir, strings.ReplaceAll(list[1], "JOB", id[1]))
		if !strings.Contains(printed, id[1]+"  done") {
			t.Errorf("the list is %q", printed)
		}
		sameRecords(t, strings.ReplaceAll(string(readAll(t, filepath.Join(dir, "results.jsonl"))), `"image":"photos/`, `"image":"`), localized, photos)
		if data := readAll(t, filepath.Join(dir, "results.parquet")); !strings.HasPrefix(string(data), "PAR1") {
			t.Errorf("results.parquet begins with %q", data[:min(len(data), 8)])
		}
		if printed := shell(t, dir, "declip jobs list"); strings.Contains(printed, id[1]) {
			t.Errorf("the job is listed after it was removed: %s", printed)
		}
	})
	t.Run("a head and workers", func(t *testing.T) {
		list := walkOf(t, "A head and workers")
		if len(list) < 2 {
			t.Fatalf("got %d blocks, expected at least 2", len(list))
		}
		home := filepath.Join(dir, "declip")
		printed := shell(t, dir, strings.NewReplacer("/tmp/declip", home, "127.0.0.1:4222", queuetest.Addresses(t, 1)[0]).Replace(
			strings.Replace(list[0], "declip jobs serve --insecure", "declip jobs serve --insecure --listen 127.0.0.1:4222", 1)))
		id := regexp.MustCompile(`(?m)^\w{26}$`).FindString(printed)
		if id == "" || !strings.Contains(printed, "done: 6 of 6") {
			t.Fatalf("the walk prints %q", printed)
		}
		sameRecords(t, ran(t, exitOK, "jobs", "results", "--jobs", home, id), localized, photos)
	})
}
