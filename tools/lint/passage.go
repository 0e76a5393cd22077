package main

import (
	"path"
	"sort"
	"strings"
)

// passage is a piece of prose in a file. Its lines are joined by one space, so that a turn that is
// broken over two lines is found as well.
type passage struct {
	text   string
	starts []int // offset in text at which each line begins, ascending
	lines  []int // the number of each of these lines in the file
}

// add appends a line of prose. The passage must not have a line after it yet.
func (p *passage) add(line int, text string) {
	if p.text != "" {
		p.text += " "
	}
	p.starts = append(p.starts, len(p.text))
	p.lines = append(p.lines, line)
	p.text += strings.Join(strings.Fields(text), " ")
}

// lineOf returns the number of the line that holds the byte at offset.
func (p *passage) lineOf(offset int) int {
	i := sort.Search(len(p.starts), func(i int) bool { return p.starts[i] > offset })
	return p.lines[max(i-1, 0)]
}

// passages collects passages line by line.
type passages struct {
	done    []passage
	current passage
}

func (p *passages) add(line int, text string) { p.current.add(line, text) }

// end closes the current passage: what follows does not continue its sentence.
func (p *passages) end() {
	if p.current.text != "" {
		p.done = append(p.done, p.current)
	}
	p.current = passage{}
}

// extract returns the prose in a file, or nothing for kinds of files that hold none.
func extract(name string, source []byte) ([]passage, error) {
	text := string(source)
	base := path.Base(name)
	switch path.Ext(name) {
	case ".go":
		return goPassages(name, source)
	case ".md":
		return markdownPassages(text), nil
	case ".html", ".tmpl":
		return htmlPassages(text), nil
	case ".js", ".css", ".c", ".h":
		return cPassages(text), nil
	case ".sh", ".py", ".yml", ".yaml", ".mk":
		return hashPassages(text), nil
	}
	if base == "Makefile" || base == "Dockerfile" || strings.HasPrefix(text, "#!") {
		return hashPassages(text), nil
	}
	return nil, nil
}
