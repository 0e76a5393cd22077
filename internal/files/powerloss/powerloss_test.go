package powerloss

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/declip/declip/internal/files"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What may be left of a file that is replaced without a sync, and with syncs.
func TestReplay(t *testing.T) {
	replace := func(syncFile, syncDir bool) map[string]bool {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("old"), 0o644))
		r := Record(t, dir)
		f, err := files.OpenFile(filepath.Join(dir, "b"), os.O_WRONLY|os.O_CREATE, 0o644)
		must(t, err)
		_, err = f.WriteString("new!")
		must(t, err)
		if syncFile {
			must(t, f.Sync())
		}
		f.Close()
		must(t, files.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "a")))
		if syncDir {
			must(t, files.SyncDir(dir))
		}
		r.Stop()
		found := map[string]bool{}
		r.Replay(func(t testing.TB, s State) {
			data, err := os.ReadFile(filepath.Join(s.Dir, "a"))
			if err != nil {
				t.Fatal(err)
			}
			if s.Finished {
				found["finished: "+string(data)] = true
			} else {
				found[string(data)] = true
			}
		})
		return found
	}
	for _, test := range []struct {
		file, dir bool
		want      []string
	}{
		{false, false, []string{"finished: ", "finished: \x00\x00\x00\x00", "finished: ne", "finished: new!", "finished: old", "old"}},
		{true, false, []string{"finished: new!", "finished: old", "old"}},
		{true, true, []string{"finished: new!", "new!", "old"}},
	} {
		if got := slices.Sorted(maps.Keys(replace(test.file, test.dir))); !slices.Equal(got, test.want) {
			t.Errorf("file synced %v, directory synced %v: got %q, expected %q", test.file, test.dir, got, test.want)
		}
	}
}

// Writes reach the disk in any order, and a truncation may be lost.
func TestOutcomes(t *testing.T) {
	pending := []change{{2, []byte("cd")}, {4, []byte("ef")}}
	for name, test := range map[string]struct {
		of   outcome
		want string
	}{
		"everything": {everything, "abcdef"}, "nothing": {nothing, "ab"}, "half": {half, "abcde"},
		"late": {late, "ab\x00\x00ef"}, "zeros": {zeros, "ab\x00\x00\x00\x00"},
	} {
		if got := string(test.of([]byte("ab"), pending)); got != test.want {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
		cut := string(test.of([]byte("abcd"), []change{{1, nil}}))
		if want := map[bool]string{true: "a", false: "abcd"}[name != "nothing" && name != "half"]; cut != want {
			t.Errorf("%s of a truncation: got %q, expected %q", name, cut, want)
		}
	}
}
