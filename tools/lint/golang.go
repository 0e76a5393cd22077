package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth is the widest comment line, in characters; a tab counts as one.
const maxWidth = 100

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func isGenerated(source []byte) bool { return generated.Match(source) }

// goPassages returns the comments of a Go file and, outside tests, its string literals of several
// words: help texts and errors.
func goPassages(name string, source []byte) ([]passage, error) {
	if isGenerated(source) {
		return nil, nil
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var found passages
	for _, group := range parsed.Comments {
		addComments(&found, files, group)
	}
	if strings.HasSuffix(name, "_test.go") {
		return found.done, nil
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			if n.Tag != nil { // a tag holds no prose, and a field with one no literal besides it
				return false
			}
		case *ast.BasicLit:
			addLiteral(&found, files, n)
		}
		return true
	})
	return found.done, nil
}

// addComments adds a group of comments. An empty comment line ends a passage, as a paragraph does.
func addComments(found *passages, files *token.FileSet, group *ast.CommentGroup) {
	for _, comment := range group.List {
		line := files.Position(comment.Pos()).Line
		for i, text := range strings.Split(comment.Text, "\n") {
			text = strings.TrimPrefix(strings.TrimPrefix(text, "//"), "/*")
			text = strings.TrimSpace(strings.TrimSuffix(text, "*/"))
			if text == "" {
				found.end()
				continue
			}
			found.add(line+i, text)
		}
	}
	found.end()
}

// addLiteral adds a string literal that holds more than one word.
func addLiteral(found *passages, files *token.FileSet, literal *ast.BasicLit) {
	if literal.Kind != token.STRING {
		return
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil || !strings.Contains(strings.TrimSpace(text), " ") {
		return
	}
	line := files.Position(literal.Pos()).Line
	raw := strings.HasPrefix(literal.Value, "`")
	for i, l := range strings.Split(text, "\n") {
		if !raw { // the line breaks are escapes: all is on one line
			i = 0
		}
		if strings.TrimSpace(l) == "" {
			found.end()
			continue
		}
		found.add(line+i, l)
	}
	found.end()
}

// wideComments returns the comment lines of a Go file that are wider than maxWidth. Comments behind
// code count if it is the comment that makes the line wide. Directives and lines that cannot be
// broken, such as those with an address, do not count.
func wideComments(name string, source []byte) ([]finding, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(source, []byte("\n"))
	var found []finding
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			first := files.Position(comment.Pos())
			for i, text := range strings.Split(comment.Text, "\n") {
				column := 0
				if i == 0 {
					column = first.Column - 1
				}
				line := string(lines[first.Line-1+i])
				if tooWide(line, column, text) {
					message := fmt.Sprintf("comment of %d columns: wrap it at %d", utf8.RuneCountInString(line), maxWidth)
					found = append(found, finding{name, first.Line + i, message})
				}
			}
		}
	}
	return found, nil
}

// tooWide reports whether a comment that begins at a byte offset in line makes the line too wide.
func tooWide(line string, offset int, comment string) bool {
	switch {
	case utf8.RuneCountInString(line) <= maxWidth:
		return false
	case strings.HasPrefix(comment, "//go:"), strings.HasPrefix(comment, "//nolint"):
		return false
	case len(strings.Fields(strings.TrimLeft(comment, "/* "))) <= 1:
		return false
	}
	code := strings.TrimSpace(line[:min(offset, len(line))])
	return utf8.RuneCountInString(code) <= maxWidth
}
