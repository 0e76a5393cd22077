package serve

import (
	"fmt"
	"strings"
)

// yamlLine is a line of openapi.yaml without its indentation.
type yamlLine struct {
	indent int
	text   string
}

// parseYAML reads the subset of YAML that openapi.yaml uses: maps and lists by indentation, flow
// lists of words, quoted and plain words, folded text. Values are string, []any or map[string]any.
// Anything else is an error.
func parseYAML(text string) (any, error) {
	var lines []yamlLine
	for l := range strings.SplitSeq(text, "\n") {
		if trimmed := strings.TrimLeft(l, " "); trimmed != "" && !strings.HasPrefix(trimmed, "#") {
			lines = append(lines, yamlLine{len(l) - len(trimmed), strings.TrimRight(trimmed, " ")})
		}
	}
	p := &yamlParser{lines: lines}
	v, err := p.block(0)
	if err == nil && len(p.lines) > 0 {
		err = fmt.Errorf("%q: unexpected indentation", p.lines[0].text)
	}
	return v, err
}

type yamlParser struct{ lines []yamlLine }

// block reads the lines that are indented by exactly indent, with the deeper ones below them.
func (p *yamlParser) block(indent int) (any, error) {
	if strings.HasPrefix(p.lines[0].text, "- ") {
		return p.list(indent)
	}
	m := map[string]any{}
	for len(p.lines) > 0 && p.lines[0].indent == indent && !strings.HasPrefix(p.lines[0].text, "- ") {
		line := p.lines[0]
		key, rest, ok := strings.Cut(line.text, ":")
		key = strings.Trim(key, `"`)
		if _, twice := m[key]; !ok || twice {
			return nil, fmt.Errorf("%q: expected a new key", line.text)
		}
		p.lines = p.lines[1:]
		v, err := p.value(strings.TrimSpace(rest), indent)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	return m, nil
}

func (p *yamlParser) list(indent int) (any, error) {
	var list []any
	for len(p.lines) > 0 && p.lines[0].indent == indent && strings.HasPrefix(p.lines[0].text, "- ") {
		item := strings.TrimPrefix(p.lines[0].text, "- ")
		if strings.Contains(item, ": ") || strings.HasSuffix(item, ":") {
			p.lines[0] = yamlLine{indent + 2, item} // a map whose first key follows the dash
			v, err := p.block(indent + 2)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			continue
		}
		p.lines = p.lines[1:]
		list = append(list, scalar(item))
	}
	return list, nil
}

func (p *yamlParser) value(rest string, indent int) (any, error) {
	switch {
	case rest == ">-":
		var words []string
		for len(p.lines) > 0 && p.lines[0].indent > indent {
			words = append(words, p.lines[0].text)
			p.lines = p.lines[1:]
		}
		return strings.Join(words, " "), nil
	case rest == "" && len(p.lines) > 0 && p.lines[0].indent > indent:
		return p.block(p.lines[0].indent)
	case rest == "":
		return nil, fmt.Errorf("a key without a value")
	case strings.HasPrefix(rest, "["):
		var list []any
		for item := range strings.SplitSeq(strings.Trim(rest, "[]"), ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, scalar(item))
			}
		}
		return list, nil
	case !strings.HasPrefix(rest, `"`) && strings.Contains(rest, ": "):
		return nil, fmt.Errorf("%q: a colon in a plain value", rest)
	}
	return scalar(rest), nil
}

func scalar(text string) string { return strings.Trim(text, `"`) }
