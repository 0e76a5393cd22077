package cli

import (
	"fmt"

	"github.com/declip/declip/internal/serve"
)

// spareFiles are the files of a server that are not connections: its log, its program, the archive.
const spareFiles = 32

// noticeLimits says which limits of the process are lower than those that the server was given. It
// runs all the same: clients may never need that much.
func (a *app) noticeLimits(c serve.Config) {
	for _, text := range limitNotices(c, openFilesLimit(), memoryLimit) {
		a.notice(text)
	}
}

func limitNotices(c serve.Config, files int64, memory func() (bytes int64, source string)) (list []string) {
	if files < int64(c.MaxConns)+spareFiles {
		list = append(list, fmt.Sprintf("the process can open %d files (ulimit -n), fewer than --max-conns %d: further connections will wait", files, c.MaxConns))
	}
	if bytes, source := memory(); bytes < c.Memory {
		list = append(list, fmt.Sprintf("the process can use %d MiB of memory (%s), less than the %d MiB of --memory: large pictures may end it; lower --max-pixels and --memory",
			bytes>>20, source, c.Memory>>20))
	}
	return list
}
