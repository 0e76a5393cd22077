package cli

import (
	"strings"
	"testing"

	"github.com/declip/declip/internal/serve"
)

func TestLimitNotices(t *testing.T) {
	c := serve.DefaultConfig()
	for _, test := range []struct {
		files, memory int64
		want          []string
	}{
		{int64(c.MaxConns) + spareFiles, c.Memory, nil},
		{64, c.Memory, []string{"64 files (ulimit -n), fewer than --max-conns 4096"}},
		{1 << 20, 512 << 20, []string{"512 MiB of memory (a limit), less than the"}},
		{64, 512 << 20, []string{"64 files", "(a limit)"}},
	} {
		got := limitNotices(c, test.files, func() (int64, string) { return test.memory, "a limit" })
		if len(got) != len(test.want) {
			t.Errorf("%d files, %d bytes: got %q, expected %d notices", test.files, test.memory, got, len(test.want))
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("got %q, expected %q in it", got[i], want)
			}
		}
	}
}
