// Package layers holds no code, only the test that keeps the packages' order: which may import which, and
// which outside libraries belong to one package alone. docs/design.md draws the same picture.
package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/declip/declip"

// below lists, for every package, which packages of ours it may import. Data flows one way, from files to
// pictures to sessions to maps; a package never imports one that stands above it in this table.
// Test files may import anything, enginetest above all.
var below = map[string][]string{
	"internal/graph":       {},
	"internal/metric":      {},
	"internal/atomicfile":  {},
	"internal/pickle":      {},
	"internal/weights":     {"internal/atomicfile", "internal/pickle"},
	"internal/jpeg":        {},
	"internal/picture":     {"internal/atomicfile", "internal/jpeg"},
	"internal/npy":         {"internal/atomicfile"},
	"internal/fetch":       {"internal/diskspace", "internal/filelock"},
	"internal/tensorboard": {},
	"internal/winograd":    {},
	"internal/filelock":    {},
	"internal/diskspace":   {},
	"internal/parts":       {},

	"internal/engine":              {"internal/winograd"},
	"internal/engine/enginetest":   {"internal/engine"},
	"internal/network":             {"internal/atomicfile", "internal/graph", "internal/weights"},
	"internal/featurecache":        {"internal/diskspace", "internal/filelock", "internal/weights"},
	"internal/network/networktest": {"internal/weights"},
	"internal/tile":                {"internal/picture"},
	"internal/blockgrid":           {"internal/picture"},
	"internal/copymove":            {"internal/parts", "internal/picture"},
	"internal/blobs":               {"internal/parts"},
	"internal/doublejpeg":          {"internal/parts", "internal/picture"},
	"internal/dataset":             {"internal/blockgrid", "internal/picture"},
	"internal/forge":               {"internal/parts", "internal/picture"},
	"internal/zoo":                 {"internal/atomicfile", "internal/fetch", "internal/network", "internal/weights"},

	"internal/autoencoder": {"internal/engine", "internal/graph", "internal/picture", "internal/weights"},

	"internal/runner": {"internal/blobs", "internal/blockgrid", "internal/copymove", "internal/doublejpeg", "internal/engine", "internal/network", "internal/picture", "internal/tile"},
	"internal/train":  {"internal/engine", "internal/featurecache", "internal/filelock", "internal/tensorboard", "internal/graph", "internal/network", "internal/weights", "internal/dataset", "internal/metric", "internal/picture", "internal/runner", "internal/zoo"},

	"internal/convert": {"internal/atomicfile", "internal/engine", "internal/graph", "internal/network", "internal/weights"},

	"internal/calibrate": {"internal/dataset", "internal/metric", "internal/network", "internal/picture", "internal/weights"},

	".": {"internal/engine", "internal/graph", "internal/metric", "internal/network", "internal/picture", "internal/runner", "internal/weights", "internal/zoo"},

	"internal/record":    {"."},
	"internal/datacheck": {"internal/dataset", "internal/picture"},
	"internal/evaluate":  {"internal/dataset", "internal/metric", "internal/picture"},
	"internal/predictor": {".", "internal/dataset", "internal/evaluate", "internal/npy", "internal/picture"},

	"internal/yamlfile": {},
	"internal/report":   {"internal/atomicfile"},
	"internal/study": {
		".", "internal/atomicfile", "internal/dataset", "internal/engine", "internal/evaluate", "internal/featurecache", "internal/filelock", "internal/network", "internal/picture", "internal/predictor",
		"internal/report", "internal/train", "internal/yamlfile", "internal/zoo",
	},
	"internal/serve": {".", "internal/atomicfile", "internal/picture", "internal/record"},

	"internal/cli": {
		".", "internal/autoencoder", "internal/calibrate", "internal/convert", "internal/datacheck", "internal/dataset", "internal/engine", "internal/evaluate", "internal/featurecache", "internal/fetch", "internal/forge", "internal/graph", "internal/metric",
		"internal/network", "internal/npy", "internal/picture", "internal/predictor", "internal/record", "internal/runner", "internal/serve", "internal/study", "internal/train", "internal/weights", "internal/zoo",
		"internal/report",
	},
	"cmd/declip": {"internal/cli"},
}

// reserved lists outside packages that only some of ours may import; a name stands for all below it.
var reserved = map[string][]string{
	"github.com/yalue/onnxruntime_go":     {"internal/engine"},
	"github.com/spf13/cobra":              {"internal/cli"},
	"github.com/schollz/progressbar":      {"internal/cli"},
	"net/http":                            {"internal/fetch", "internal/serve", "internal/cli"},
	"google.golang.org/protobuf":          {"internal/graph", "internal/engine", "internal/tensorboard"},
	"testing":                             {"internal/engine/enginetest", "internal/network/networktest"},
	"github.com/rogpeppe/go-internal":     {},
	"github.com/google/go-cmp":            {},
	"github.com/prometheus/client_golang": {"internal/serve"},
	"gonum.org/v1/plot":                   {"internal/report"},
	"github.com/chromedp":                 {},
	"github.com/goccy/go-yaml":            {"internal/yamlfile"},
}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(rel))
		if strings.HasPrefix(from, "scripts") { // programs for developers, not part of the house
			return nil
		}
		if _, known := below[from]; !known && !seen[from] {
			t.Errorf("package %s is not in the table of layers: add it, and say in docs/design.md where it stands", from)
		}
		seen[from] = true
		checkFile(t, file, from)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !seen["cmd/declip"] {
		t.Errorf("found no cmd/declip: is this the module's root? %s", root)
	}
}

func checkFile(t *testing.T, file, from string) {
	t.Helper()
	// Read through os, so that "go test" knows which files the result depends on.
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if problem := judge(from, to); problem != "" {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

// judge says what is wrong with package from (relative to the module) importing to; "" if nothing.
func judge(from, to string) string {
	allowed, known := below[from]
	if to == module || strings.HasPrefix(to, module+"/") {
		to = strings.TrimPrefix(strings.TrimPrefix(to, module), "/")
		if to == "" {
			to = "."
		}
		if known && !slices.Contains(allowed, to) {
			return from + " may not import " + to + ", only: " + strings.Join(allowed, ", ")
		}
		return ""
	}
	for outside, users := range reserved {
		if (to == outside || strings.HasPrefix(to, outside+"/")) && !slices.Contains(users, from) {
			return from + " may not import " + to + ", only these may: " + strings.Join(users, ", ")
		}
	}
	return ""
}

func TestTheTableHasAnOrder(t *testing.T) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case visiting:
			t.Fatalf("%s stands above itself", name)
		case done:
			return
		}
		state[name] = visiting
		for _, lower := range below[name] {
			if _, known := below[lower]; !known {
				t.Errorf("%s: %s is not in the table", name, lower)
			}
			visit(lower)
		}
		state[name] = done
	}
	for name := range below {
		visit(name)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"internal/engine", module + "/internal/winograd", true},
		{"internal/graph", module + "/internal/engine", false},
		{"internal/graph", module + "/internal/enginetest", false},
		{"internal/serve", module, true},
		{"internal/engine", module, false},
		{"internal/graph", "github.com/yalue/onnxruntime_go", false},
		{"internal/engine", "github.com/yalue/onnxruntime_go", true},
		{"internal/metric", "net/http/httptest", false},
		{"internal/metric", "net/httpx", true},
	} {
		if problem := judge(c.from, c.to); (problem == "") != c.ok {
			t.Errorf("%s imports %s: got %q, expected allowed %v", c.from, c.to, problem, c.ok)
		}
	}
}
