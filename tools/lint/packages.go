package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxSynopsis is the length, in bytes, that the first sentence of a package comment stays under.
const maxSynopsis = 100

// checkPackages checks the package comment of every package among files. It must be in doc.go;
// for a program, main.go will do. Directories of tests alone need none.
func checkPackages(root string, files []string) ([]finding, error) {
	docs := map[string]string{} // directory: the file that should hold the package comment
	var directories []string
	for _, name := range files {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || ignored(name) {
			continue
		}
		directory := path.Dir(name)
		if docs[directory] == "" {
			directories = append(directories, directory)
		}
		if base := path.Base(name); base == "doc.go" || base == "main.go" && path.Base(docs[directory]) != "doc.go" || docs[directory] == "" {
			docs[directory] = name
		}
	}
	var found []finding
	for _, directory := range directories {
		parsed, err := parsePackageClause(root, docs[directory])
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if message := packageProblem(parsed, path.Base(docs[directory])); message != "" {
			found = append(found, finding{docs[directory], 1, message})
		}
	}
	return found, nil
}

func parsePackageClause(root, name string) (*ast.File, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	return parser.ParseFile(token.NewFileSet(), name, source, parser.PackageClauseOnly|parser.ParseComments)
}

// packageProblem says what is wrong with the comment of a package, "" if nothing is.
func packageProblem(file *ast.File, base string) string {
	name := file.Name.Name
	if base != "doc.go" && (name != "main" || base != "main.go") {
		return fmt.Sprintf("package %s has no doc.go", name)
	}
	sentence := new(doc.Package).Synopsis(file.Doc.Text())
	begin := "Package " + name + " "
	if name == "main" {
		begin = "Command "
	}
	switch {
	case sentence == "":
		return fmt.Sprintf("package %s has no package comment in %s", name, base)
	case !strings.HasPrefix(sentence, begin):
		return fmt.Sprintf("the package comment begins %.30q, expected %q", sentence, begin)
	case len(sentence) >= maxSynopsis:
		return fmt.Sprintf("the first sentence of the package comment has %d characters, expected fewer than %d", len(sentence), maxSynopsis)
	}
	return ""
}
