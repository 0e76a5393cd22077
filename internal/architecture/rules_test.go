package architecture

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A bare goroutine's panic ends the process: package parallel starts them all.
func TestNoBareGoroutines(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !s.house() || s.folder == "internal/parallel" {
			continue
		}
		groups := waitGroups(s.tree)
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: go statement: use internal/parallel, which turns a panic into an error", s.at(n))
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Go" && groups[nameOf(f.X)] {
					t.Errorf("%s: WaitGroup.Go: use internal/parallel, which turns a panic into an error", s.at(n))
				}
			}
			return true
		})
	}
}

// waitGroups are the names of a file's variables and fields of type sync.WaitGroup.
func waitGroups(f *ast.File) map[string]bool {
	names := map[string]bool{}
	add := func(list []*ast.Ident, kind ast.Expr) {
		if isSelector(kind, "sync", "WaitGroup") {
			for _, n := range list {
				names[n.Name] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			add(n.Names, n.Type)
		case *ast.Field:
			add(n.Names, n.Type)
		}
		return true
	})
	return names
}

// nameOf is the last name of a variable or a field.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// isSelector says whether e is PACKAGE.NAME.
func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && s.Sel.Name == name
}

// A context is the first parameter of functions and methods.
func TestContextComesFirst(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		check := func(f *ast.FuncType) {
			for i, p := range f.Params.List {
				if i > 0 && isSelector(p.Type, "context", "Context") {
					t.Errorf("%s: the context is parameter %d, expected it first", s.at(f), i+1)
				}
			}
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				check(n.Type)
			case *ast.FuncLit:
				check(n.Type)
			case *ast.InterfaceType:
				for _, m := range n.Methods.List {
					if f, ok := m.Type.(*ast.FuncType); ok {
						check(f)
					}
				}
			}
			return true
		})
	}
}

// Functions fit on a screen and files stay readable.
func TestSizes(t *testing.T) {
	const mostFunction, mostFile = 60, 400
	for _, s := range sources(t) {
		lines := s.set.File(s.tree.Pos()).LineCount()
		if lines > mostFile {
			t.Errorf("%s has %d lines, expected at most %d", s.file, lines, mostFile)
		}
		if s.test { // tables of cases are long
			continue
		}
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > mostFunction {
				t.Errorf("%s: %s has %d lines, expected at most %d", s.at(f), f.Name.Name, n, mostFunction)
			}
		}
	}
}

// metadataKey is the form of the keys in the metadata of weights files.
var metadataKey = regexp.MustCompile(`^declip\.[a-z][a-z_.]*$`)

// ports are the names of the inputs and outputs of networks.
var ports = []string{"logits", "carry"}

// Names that two places must agree on are constants of the package that owns them.
func TestNamesAreConstants(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !s.house() {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && (d.Tok == token.CONST || d.Tok == token.IMPORT) {
				return false
			}
			if f, ok := n.(*ast.Field); ok && f.Tag != nil { // a JSON name is a constant of its struct
				return false
			}
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if metadataKey.MatchString(text) && !strings.HasSuffix(text, ".") || slices.Contains(ports, text) {
				t.Errorf("%s: %q stands in the code: make it a constant of the package that owns it", s.at(n), text)
			}
			return true
		})
	}
}

// wallClock lists the files that may take a time apart, which the wall clock then decides: it may
// be set back or forward at any moment. Everything else compares times that time.Now gave, or
// stored ones for equality.
var wallClock = map[string]string{
	"internal/jobs/schema/id.go":                "identifiers begin with the time, by their format; only their order depends on it",
	"internal/nn/network/digest.go":             "a file's time, for equality",
	"internal/serve/webhook/post.go":            "receivers refuse old requests by the time in them",
	"internal/serve/webhook/webhook.go":         "names an event by its time; only equality counts",
	"internal/train/tensorboard/event.go":       "the format asks for it; order is by step",
	"internal/train/tensorboard/tensorboard.go": "names of files, which are made to sort behind the existing ones",
}

// Durations are measured with times that have a monotonic clock.
func TestNoWallClock(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || !s.house() {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			f, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Unix", "UnixMilli", "UnixMicro", "UnixNano"}, f.Sel.Name) {
				return true
			}
			if used[s.file] = true; wallClock[s.file] == "" {
				t.Errorf("%s: %s takes the wall clock: keep the time.Time, or time.Since a start", s.at(n), f.Sel.Name)
			}
			return true
		})
	}
	for file := range wallClock {
		if !used[file] {
			t.Errorf("%s does not take the wall clock: remove it from the list", file)
		}
	}
}
