package picture

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	for _, path := range []string{
		filepath.Join(dir, "a.JPG"), filepath.Join(dir, "b.jfif"), filepath.Join(dir, "c.xyz"), filepath.Join(dir, "README"),
		filepath.Join(dir, ".hidden.png"), filepath.Join(dir, "deep", "d.pjp"), filepath.Join(dir, "deep", "x.XYZ"),
		filepath.Join(dir, "results", "e.png"), filepath.Join(dir, ".cache", "f.png"), filepath.Join(outside, "g.jfi"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		filepath.Join(dir, "again"):          filepath.Join(dir, "deep"), // known already
		filepath.Join(dir, "deep", "circle"): dir,
		filepath.Join(dir, "linked"):         outside,
		filepath.Join(outside, "twice"):      outside,
		filepath.Join(dir, "h.png"):          filepath.Join(outside, "g.jfi"),
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	f := Find(dir, func(path string) bool { return filepath.Base(path) == "results" })
	short := func(paths []string) (list []string) {
		for _, path := range paths {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, rel)
		}
		return list
	}
	if got, want := short(f.Pictures), []string{"a.JPG", "b.jfif", "deep/d.pjp", "h.png", "linked/g.jfi"}; !slices.Equal(got, want) {
		t.Errorf("pictures %q, expected %q", got, want)
	}
	if got, want := LeftOut(short(f.LeftOut)).String(), "3 files that are not pictures (without extension 1, .xyz 2): README, c.xyz, deep/x.XYZ"; got != want {
		t.Errorf("left out %q, expected %q", got, want)
	}
	if f.Failed != nil {
		t.Errorf("errors %v", f.Failed)
	}
	if f := Find(filepath.Join(dir, "nowhere"), nil); len(f.Failed) != 1 || !os.IsNotExist(f.Failed[0]) {
		t.Errorf("a missing directory gives %v", f.Failed)
	}
}
