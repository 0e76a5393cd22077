package main

import (
	"regexp"
	"slices"
	"strings"
)

// marker allows the findings of its line. The reason after it is required.
var marker = regexp.MustCompile(`(?://|#|<!--|/\*) ?lint:allow\b(.*)`)

// applyAllowances removes the findings of lines that hold the marker. A marker without a reason, or
// on a line without a finding, is a finding of its own.
func applyAllowances(name string, source []byte, findings []finding) []finding {
	line := 0
	for l := range strings.SplitSeq(string(source), "\n") {
		line++
		m := marker.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		before := len(findings)
		findings = slices.DeleteFunc(findings, func(f finding) bool { return f.line == line })
		switch {
		case strings.Trim(m[1], " \t*/->") == "":
			findings = append(findings, finding{name, line, "lint:allow needs a reason after it"})
		case len(findings) == before:
			message := "lint:allow has nothing to allow on this line: remove it"
			findings = append(findings, finding{name, line, message})
		}
	}
	return findings
}
