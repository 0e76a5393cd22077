package main

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

//go:embed turns.txt
var turnsFile string

// rule is one unwanted turn of phrase.
type rule struct {
	turn   *regexp.Regexp
	mend   string         // suggested wording
	unless *regexp.Regexp // nil, or what must not overlap the turn for it to count
	onlyGo bool           // counts in Go files only
}

// embeddedRules returns the rules of turns.txt.
func embeddedRules() ([]rule, error) {
	rules, err := parseRules(turnsFile)
	if err != nil {
		return nil, fmt.Errorf("turns.txt: %w", err)
	}
	return rules, nil
}

// parseRules reads rules, one a line, in the form that turns.txt describes.
func parseRules(text string) ([]rule, error) {
	var rules []rule
	onlyGo := false
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		l = strings.TrimSpace(l)
		var err error
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
		case l == "[everywhere]":
			onlyGo = false
		case l == "[go]":
			onlyGo = true
		case strings.HasPrefix(l, "unless "):
			err = addException(rules, strings.TrimPrefix(l, "unless "))
		default:
			var r rule
			r, err = parseRule(l)
			r.onlyGo = onlyGo
			rules = append(rules, r)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	return rules, nil
}

func parseRule(line string) (rule, error) {
	pattern, mend, ok := strings.Cut(line, " => ")
	if !ok || strings.TrimSpace(mend) == "" {
		return rule{}, fmt.Errorf("%q: expected PATTERN => MEND", line)
	}
	turn, err := compile(pattern)
	return rule{turn: turn, mend: strings.TrimSpace(mend)}, err
}

func addException(rules []rule, pattern string) error {
	if len(rules) == 0 || rules[len(rules)-1].unless != nil {
		return errors.New("expected one unless after a rule")
	}
	var err error
	rules[len(rules)-1].unless, err = compile(pattern)
	return err
}

// compile makes a pattern match whole words in any case.
func compile(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`(?i)\b(?:` + strings.TrimSpace(pattern) + `)\b`)
}

// matches returns the turns of the rule in text as [begin, end) byte offsets.
func (r rule) matches(text string) [][]int {
	found := r.turn.FindAllStringIndex(text, -1)
	if found == nil || r.unless == nil {
		return found
	}
	var kept [][]int
	exceptions := r.unless.FindAllStringIndex(text, -1)
	for _, m := range found {
		excused := false
		for _, e := range exceptions {
			excused = excused || e[0] < m[1] && m[0] < e[1]
		}
		if !excused {
			kept = append(kept, m)
		}
	}
	return kept
}

// searchTurns returns the turns in the texts of a file.
func searchTurns(rules []rule, name string, texts []passage) []finding {
	isGo := strings.HasSuffix(name, ".go")
	var found []finding
	for _, t := range texts {
		for _, r := range rules {
			if r.onlyGo && !isGo {
				continue
			}
			for _, m := range r.matches(t.text) {
				message := fmt.Sprintf("%q: %s", t.text[m[0]:m[1]], r.mend)
				found = append(found, finding{name, t.lineOf(m[0]), message})
			}
		}
	}
	return found
}
