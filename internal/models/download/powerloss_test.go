package download

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files/powerloss"
)

// After a power failure at any time, the next download ends with the right file, also if nothing is
// known about its contents. A download that has ended is there.
func TestPowerLoss(t *testing.T) {
	content := content[:100_000]
	for name, answers := range map[string]*server{
		"in one piece": serve(t, good("a", content)),
		"resumed":      serve(t, cut(50_000, good("a", content)), good("a", content)),
		"replaced":     serve(t, cut(70_000, good("old", bytes.Repeat([]byte("old "), 30_000))), good("a", content)),
	} {
		t.Run(name, func(t *testing.T) {
			r := fetching(t, answers)
			r.Size, r.SHA256, r.Notice = 0, "", nil
			if err := os.Mkdir(filepath.Dir(r.Path), 0o755); err != nil {
				t.Fatal(err)
			}
			record := powerloss.Record(t, filepath.Dir(r.Path))
			client := &Client{Backoff: quick.Backoff, saveEvery: 30_000}
			if name == "resumed" {
				once := *client
				once.Attempts = 1
				if _, err := once.Get(t.Context(), r); err == nil {
					t.Fatal("no error after a broken connection and a single attempt")
				}
			}
			if _, err := client.Get(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			record.Stop()
			resumed := map[int64]bool{}
			states := record.Replay(func(_ testing.TB, s powerloss.State) {
				again := r
				again.Path = filepath.Join(s.Dir, filepath.Base(r.Path))
				result, err := client.Get(context.Background(), again)
				if err != nil {
					t.Errorf("downloading again: %v", err)
				}
				resumed[result.Resumed] = true
				if data, err := os.ReadFile(again.Path); err != nil || !bytes.Equal(data, content) {
					t.Errorf("after %d changes, resumed at %d: the file of %d bytes is wrong, %v", s.Changes, result.Resumed, len(data), err)
				}
				if s.Finished && !result.Existed {
					t.Error("the finished file is lost")
				}
			})
			t.Logf("%d states, resumed at %v", states, resumed)
			if len(resumed) < 2 {
				t.Errorf("resumed at %v only, expected some of what was saved", resumed)
			}
		})
	}
}

// A note of an earlier version, without the saved length, is followed.
func TestNoteOfEarlierVersion(t *testing.T) {
	s := serve(t, good("a", content))
	r := fetching(t, s)
	note, err := json.Marshal(map[string]any{"url": r.URL, "etag": `"a"`, "size": len(content)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(r.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{r.Path + PartSuffix: content[:1000], r.Path + NoteSuffix: note} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if result, err := quick.Get(t.Context(), r); err != nil || result.Resumed != 1000 {
		t.Errorf("resumed %d bytes, %v, expected 1000", result.Resumed, err)
	}
	expectWhole(t, r, content)
}

// A note of which a part was overwritten is not followed.
func TestTornNote(t *testing.T) {
	d := &download{from: origin{URL: "https://example.org/a", ETag: `"a"`, Size: 10_000}}
	d.synced = 1000
	d.from.Synced = &d.synced
	d.from.Sum, _ = d.from.sum()
	text, err := json.Marshal(d.from)
	if err != nil {
		t.Fatal(err)
	}
	if !new(download).readNote(text) {
		t.Errorf("the note %s is not followed", text)
	}
	if torn := bytes.Replace(text, []byte(`"synced":1000`), []byte(`"synced":9000`), 1); new(download).readNote(torn) {
		t.Errorf("the note %s is followed", torn)
	}
}
