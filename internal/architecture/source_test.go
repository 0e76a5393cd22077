package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/declip/declip"

// root is the module's root.
var root = filepath.Join("..", "..")

// source is one Go file of the module.
type source struct {
	file   string // relative to the root, with slashes
	folder string // of the file; "." for the root package
	test   bool
	tree   *ast.File
	set    *token.FileSet
}

// at names a place as FILE:LINE.
func (s source) at(n ast.Node) string {
	p := s.set.Position(n.Pos())
	return s.file + ":" + itoa(p.Line)
}

// house tells the packages that the rules are for from programs for developers and examples.
func (s source) house() bool {
	return !strings.HasPrefix(s.folder, "tools") && !strings.HasPrefix(s.folder, "examples")
}

// sources parses all Go files of the module, once.
func sources(t *testing.T) []source {
	t.Helper()
	list, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("found %d Go files: is %s the module's root?", len(list), root)
	}
	return list
}

var parsed = sync.OnceValues(func() (list []source, err error) {
	set := token.NewFileSet()
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		// Read through os, so that "go test" knows which files the result depends on.
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(set, file, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		list = append(list, source{rel, path.Dir(rel), strings.HasSuffix(name, "_test.go"), tree, set})
		return nil
	})
	return list, err
})
