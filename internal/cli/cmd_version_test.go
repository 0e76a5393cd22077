package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribeBuild(t *testing.T) {
	const commit = "c2615bb0123456789abcdef0123456789abcdef0"
	checkout := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: modified}}
	}
	for name, c := range map[string]struct {
		module   string
		settings []debug.BuildSetting
		version  string
		commit   string
		modified bool
	}{
		"go install of a tag": {"v1.2.3", nil, "v1.2.3", "", false},
		"go install of a commit": {
			"v0.0.0-20261129200235-c2615bb01234", nil, "v0.0.0-20261129200235-c2615bb01234", "c2615bb01234", false,
		},
		"go install after a tag": {"v1.2.4-0.20261129200235-c2615bb01234", nil, "v1.2.4-0.20261129200235-c2615bb01234", "c2615bb01234", false},
		"go build in a checkout": {
			"v0.0.0-20261129200235-c2615bb01234+dirty", checkout("true"), "v0.0.0-20261129200235-c2615bb01234+dirty", commit, true,
		},
		"an older Go":  {"(devel)", checkout("false"), "development-c2615bb01234", commit, false},
		"with changes": {"(devel)", checkout("true"), "development-c2615bb01234+changes", commit, true},
		"go test":      {"(devel)", nil, "development", "", false},
		"nothing":      {"", nil, "development", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := describeBuild(&debug.BuildInfo{Main: debug.Module{Version: c.module}, Settings: c.settings})
			if b.Version != c.version || b.Commit != c.commit || b.Modified != c.modified || b.Go == "" || b.Platform == "" {
				t.Errorf("got %+v, expected %s, commit %q, modified %v", b, c.version, c.commit, c.modified)
			}
		})
	}
}

func TestVersionText(t *testing.T) {
	b := build{Version: "v1.2.3", Commit: "c2615bb0123456789", Modified: true, Go: "go1.26.0", Platform: "linux/amd64"}
	text := b.text()
	if want := "declip v1.2.3 (commit c2615bb01234 with changes, go1.26.0, linux/amd64)\nengine: none found"; !strings.HasPrefix(text, want) {
		t.Errorf("got %q, expected it to begin with %q", text, want)
	}
	b.Commit, b.Engine = "", &buildEngine{"ONNX Runtime", "1.30.0", "/cache/libonnxruntime.so", "user cache"}
	want := "declip v1.2.3 (go1.26.0, linux/amd64)\nengine: ONNX Runtime 1.30.0, /cache/libonnxruntime.so (user cache)\n"
	if text := b.text(); text != want {
		t.Errorf("got %q, expected %q", text, want)
	}
}
