package weights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/numeric"
)

// Choice says which of several prefixes the tensors of a network are taken from.
type Choice struct {
	Used   string   // with its dot; empty for names without a prefix
	Unused []string // the others
}

// maxNamed is how many unused prefixes String names.
const maxNamed = 3

// String describes the choice, as in `the tensors of "model." are used, not those of "ema."`.
func (c Choice) String() string {
	var unused []string
	for _, prefix := range c.Unused[:min(maxNamed, len(c.Unused))] {
		unused = append(unused, described(prefix))
	}
	if more := len(c.Unused) - maxNamed; more > 0 {
		unused = append(unused, fmt.Sprintf("of %d more prefixes", more))
	}
	return fmt.Sprintf("the tensors %s are used, not those %s", described(c.Used), strings.Join(unused, " and "))
}

func described(prefix string) string {
	if prefix == "" {
		return "without a prefix"
	}
	return fmt.Sprintf("of %q", prefix)
}

// Choices lists the choices that StateDict and Choose have made so far, each once.
func (f *File) Choices() []Choice {
	f.choosing.Lock()
	defer f.choosing.Unlock()
	return slices.Clone(f.choices)
}

// chose keeps a choice for Choices.
func (f *File) chose(c Choice) {
	f.choosing.Lock()
	defer f.choosing.Unlock()
	same := func(o Choice) bool { return o.Used == c.Used && slices.Equal(o.Unused, c.Unused) }
	if len(c.Unused) > 0 && !slices.ContainsFunc(f.choices, same) {
		f.choices = append(f.choices, c)
	}
}

// Choose returns the one of some prefixes, at least one, whose tensors are to be used. All have the
// tensors of one network. The rule is StateDict's: a running average is taken only if there is
// nothing else, and the dict of a network precedes other prefixes. Of those that are left it takes
// the shortest. It is an error if several dicts could be the network; the error names them.
func (f *File) Choose(prefixes []string) (string, error) {
	list, err := f.ordered(prefixes)
	if err != nil {
		return "", err
	}
	f.chose(Choice{Used: list[0], Unused: list[1:]})
	return list[0], nil
}

// Order sorts prefixes in the order in which Choose prefers them.
func (f *File) Order(prefixes []string) []string {
	list, _ := f.ordered(prefixes) // the order of dicts that Choose refuses is that of their length
	return list
}

func (f *File) ordered(prefixes []string) ([]string, error) {
	among := slices.DeleteFunc(slices.Clone(prefixes), isAverage)
	if len(among) == 0 {
		among = prefixes
	}
	dict, _, err := f.nest(func(path string) bool {
		return slices.ContainsFunc(among, func(prefix string) bool { return strings.HasPrefix(prefix, path) })
	})
	list := slices.Clone(prefixes)
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(numeric.FalseFirst(isAverage(a), isAverage(b)), numeric.FalseFirst(!strings.HasPrefix(a, dict), !strings.HasPrefix(b, dict)),
			cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return list, err
}

// isAverage recognises the prefix of a running average by the usual names.
func isAverage(prefix string) bool {
	return slices.ContainsFunc(strings.Split(prefix, "."), isAverageKey)
}

// isAverageKey recognises keys such as "ema", "model_ema" and "averaged_model" by their words, so
// that "schema" is not an average.
func isAverageKey(key string) bool {
	return slices.ContainsFunc(strings.Split(strings.ToLower(key), "_"), func(word string) bool {
		return word == "ema" || word == "average" || word == "averaged"
	})
}
