package queue

import (
	"fmt"
	"slices"
	"strings"
)

// streamOf is the first token of a subject or filter, which must name a stream.
func streamOf(subject string) (string, error) {
	first, rest, _ := strings.Cut(subject, ".")
	if rest == "" || !slices.Contains([]string{workToken, doneToken, deadToken, hookToken}, first) {
		return "", fmt.Errorf("subject %.200q: %w: expected it to begin with work, done, dead or hook", subject, ErrInvalid)
	}
	return first, nil
}

// checkFilter returns an ErrInvalid unless each token of a filter is a name, "*" or a last ">".
func checkFilter(filter string) error {
	tokens := strings.Split(filter, ".")
	for i, t := range tokens {
		if t == "*" || t == ">" && i == len(tokens)-1 {
			continue
		}
		if err := CheckToken(t); err != nil {
			return fmt.Errorf("filter %.200q: %w", filter, err)
		}
	}
	return nil
}

// checkSubject returns the stream of a subject of one of the forms that this package makes.
func checkSubject(subject string) (stream string, err error) {
	if stream, err = streamOf(subject); err != nil {
		return "", err
	}
	switch stream {
	case workToken:
		_, err = ParseWork(subject)
	case doneToken:
		_, err = ParseDone(subject)
	case deadToken:
		_, err = ParseDead(subject)
	case hookToken:
		_, err = ParseHook(subject)
	}
	return stream, err
}

// checkKey returns an ErrInvalid unless a key is made of tokens.
func checkKey(key string) error {
	_, err := join(strings.Split(key, ".")...)
	if err != nil {
		return fmt.Errorf("key %.200q: %w", key, err)
	}
	return nil
}

// checkBody refuses what no server takes.
func checkBody(name string, body []byte) error {
	if len(body) > MaxBody {
		return fmt.Errorf("%s: %w: %d bytes, expected at most %d", name, ErrInvalid, len(body), MaxBody)
	}
	return nil
}

// matches says whether filter selects subject.
func matches(filter, subject string) bool {
	for {
		f, moreFilter, filterGoesOn := strings.Cut(filter, ".")
		s, moreSubject, subjectGoesOn := strings.Cut(subject, ".")
		switch {
		case f == ">":
			return true
		case f != "*" && f != s, filterGoesOn != subjectGoesOn:
			return false
		case !filterGoesOn:
			return true
		}
		filter, subject = moreFilter, moreSubject
	}
}
