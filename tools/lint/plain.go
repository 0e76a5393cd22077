package main

import (
	"regexp"
	"strings"
)

var (
	codeSpan   = regexp.MustCompile("`[^`]*`")
	htmlTag    = regexp.MustCompile(`(?s)<[^>]*>|\{\{.*?\}\}`)
	htmlHidden = regexp.MustCompile(`(?s)<script\b.*?</script>|<style\b.*?</style>|<!--.*?-->`)
	hashMark   = regexp.MustCompile(`(^|\s)##?\s(.*)$`)
)

// gap replaces what stands between two pieces of prose. No pattern matches across it.
const gap = " \u00a6 "

// markdownPassages returns the paragraphs, list items and table rows of a Markdown file, without
// code blocks and code spans.
func markdownPassages(text string) []passage {
	var found passages
	fenced := false
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		trimmed := strings.TrimSpace(l)
		if strings.HasPrefix(trimmed, "```") {
			fenced = !fenced
			found.end()
			continue
		}
		if fenced || trimmed == "" {
			found.end()
			continue
		}
		if strings.ContainsAny(trimmed[:1], "#|-*") { // a heading, a row, an item: a new passage
			found.end()
		}
		found.add(line, codeSpan.ReplaceAllString(l, gap))
	}
	found.end()
	return found.done
}

// htmlPassages returns the text between the tags of an HTML page or template, without scripts,
// styles and comments.
func htmlPassages(text string) []passage {
	keepLines := func(s string) string { return gap + strings.Repeat("\n", strings.Count(s, "\n")) }
	text = htmlHidden.ReplaceAllStringFunc(text, keepLines)
	text = htmlTag.ReplaceAllStringFunc(text, keepLines)
	var found passages
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		if strings.TrimSpace(l) == "" {
			found.end()
			continue
		}
		found.add(line, l)
	}
	found.end()
	return found.done
}

// hashPassages returns the comments of shell scripts, Makefiles, YAML and Python. Neighbouring
// lines that hold nothing else form one passage.
func hashPassages(text string) []passage {
	var found passages
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		m := hashMark.FindStringSubmatch(l)
		if m == nil || strings.TrimSpace(m[2]) == "" {
			found.end()
			continue
		}
		if behindCode := !strings.HasPrefix(strings.TrimSpace(l), "#"); behindCode {
			found.end()
		}
		found.add(line, m[2])
	}
	found.end()
	return found.done
}

// cPassages returns the comments and the string literals of several words of JavaScript, CSS and C.
func cPassages(text string) []passage {
	s := cScanner{text: text, line: 1}
	for s.at < len(s.text) {
		s.next()
	}
	s.found.end()
	return s.found.done
}

// cScanner goes through a file whose comments and strings are written as in C or JavaScript.
type cScanner struct {
	text    string
	at      int // byte offset
	line    int
	comment int // the line of the last // comment, which the next line may continue
	found   passages
}

// next passes one comment, one string or one byte of code.
func (s *cScanner) next() {
	rest := s.text[s.at:]
	switch {
	case strings.HasPrefix(rest, "//"):
		if s.comment != s.line-1 {
			s.found.end()
		}
		body := rest[:until(rest, "\n")]
		s.found.add(s.line, strings.Trim(body, "/ \t"))
		s.comment = s.line
		s.pass(len(body))
	case strings.HasPrefix(rest, "/*"):
		s.passage(rest[:min(until(rest, "*/")+2, len(rest))], "/* \t")
	case strings.ContainsAny(rest[:1], "\"'`"):
		s.passage(rest[:quoted(rest)], "\"'` \t")
	default:
		s.pass(1)
	}
}

// passage adds a comment or string as a passage of its own, if it has several words.
func (s *cScanner) passage(body, trim string) {
	s.found.end()
	for i, l := range strings.Split(body, "\n") {
		if l = strings.Trim(l, trim); strings.Contains(l, " ") {
			s.found.add(s.line+i, l)
		}
	}
	s.found.end()
	s.pass(len(body))
}

func (s *cScanner) pass(n int) {
	s.line += strings.Count(s.text[s.at:s.at+n], "\n")
	s.at += n
}

// until returns the offset of mark in text, or text's length.
func until(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i
	}
	return len(text)
}

// quoted returns the length of the string literal that text begins with. A literal in ' or " ends
// with its line at the latest, so an apostrophe in code hides no more than the rest of the line.
func quoted(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == quote:
			return i + 1
		case text[i] == '\n' && quote != '`':
			return i
		}
	}
	return len(text)
}
