package weights

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wrappers are what torch.nn.DataParallel (also the distributed one, and averaged models) and
// torch.compile put before the names of the network that they wrap.
var wrappers = []string{"module.", "_orig_mod."}

// nests are keys of dicts under which trainings store the tensors of a network.
var nests = []string{
	"state_dict", "model", "model_state_dict", "model_state", "net", "network", "params", "weights", "generator",
}

// averageCount is a tensor that an averaged model has next to the network that it wraps.
const averageCount = "n_averaged"

// maxNests is how deep dicts of nests are searched: a training's checkpoint of a network that was
// saved in a dict of its own.
const maxNests = 3

// unwrap removes the wrappers' prefixes that all tensors share, and those that all tensors of a
// nested dict share, such as "module." and the second part of "model.module.".
func (f *File) unwrap() {
	if f.unwrapBelow("", maxNests) {
		clear(f.index)
		f.sort()
	}
}

// unwrapBelow is unwrap for the tensors whose names begin with path. It reports whether names
// changed.
func (f *File) unwrapBelow(path string, depth int) (changed bool) {
	for i := 0; i < len(wrappers); {
		if wrapper := path + wrappers[i]; f.wrapped(path, wrapper) {
			for j := range f.tensors {
				if rest, ok := strings.CutPrefix(f.tensors[j].Name, wrapper); ok {
					f.tensors[j].Name = path + rest
				}
			}
			f.removed = append(f.removed, Prefix{Dict: path, Name: wrappers[i]})
			changed, i = true, 0 // wrappers can wrap each other
			continue
		}
		i++
	}
	if depth == 0 {
		return changed
	}
	for _, key := range f.keys(path) {
		if slices.Contains(nests, key) || isAverageKey(key) {
			changed = f.unwrapBelow(path+key+".", depth-1) || changed
		}
	}
	return changed
}

// wrapped reports whether all tensors below path, apart from an average's count, begin with
// wrapper.
func (f *File) wrapped(path, wrapper string) bool {
	found, counted, taken := false, false, false
	for _, t := range f.tensors {
		switch {
		case !strings.HasPrefix(t.Name, path):
		case t.Name == path+averageCount:
			counted = true
		case !strings.HasPrefix(t.Name, wrapper) || t.Name == wrapper:
			return false
		default:
			found = true
			taken = taken || t.Name == wrapper+averageCount
		}
	}
	return found && !(counted && taken) // the names stay different
}

// keys lists the first parts of the tensors' names after path, in the order of the file, without
// names that end there.
func (f *File) keys(path string) []string {
	var list []string
	seen := map[string]bool{}
	for _, t := range f.tensors {
		rest, ok := strings.CutPrefix(t.Name, path)
		key, _, inner := strings.Cut(rest, ".")
		if ok && inner && !seen[key] {
			seen[key] = true
			list = append(list, key)
		}
	}
	return list
}

// Prefix is a prefix of tensors' names.
type Prefix struct {
	Dict string // path to the dict of the tensors, with its dot; empty for the whole file
	Name string // "module." or "_orig_mod."
}

// String describes the prefix, as in `"module." in "state_dict."`.
func (p Prefix) String() string {
	if p.Dict == "" {
		return strconv.Quote(p.Name)
	}
	return fmt.Sprintf("%q in %q", p.Name, p.Dict)
}

// Removed lists the prefixes that were removed from the tensors' names because all tensors of the
// file, or of a nested dict, had them.
func (f *File) Removed() []Prefix { return slices.Clone(f.removed) }

// StateDict returns the prefix, with its dot, of the tensors of the file's network: empty if they
// are not in a dict of their own, and "state_dict." or "model." if they are. A running average is
// taken only if there is nothing else. Of a file whose names are joined, such as safetensors, all
// tensors must have the prefix. It is an error if several dicts could be the network; the error
// names them. Choose follows the same rule where the tensors of a network are recognised.
func (f *File) StateDict() (string, error) {
	prefix, averages, err := f.nest(func(string) bool { return true })
	if err == nil {
		f.chose(Choice{Used: prefix, Unused: averages})
	}
	return prefix, err
}

// nest is StateDict among the dicts for whose prefixes holds is true. It also returns the prefixes
// of the running averages next to the network's dict.
func (f *File) nest(holds func(prefix string) bool) (path string, averages []string, err error) {
	for range maxNests {
		plain, average := f.nestsBelow(path, holds)
		if len(plain) == 0 {
			plain, average = average, nil
		}
		if len(plain) == 0 {
			break
		}
		if len(plain) > 1 {
			return "", nil, fmt.Errorf("%s: the dicts %q each hold tensors: save the one to use in a file of its own", f.path, plain)
		}
		for _, key := range average {
			averages = append(averages, path+key+".")
		}
		path += plain[0] + "."
	}
	return path, averages, nil
}

// nestsBelow lists the keys below path of dicts of networks, and of dicts of running averages, for
// whose prefixes holds is true.
func (f *File) nestsBelow(path string, holds func(prefix string) bool) (plain, average []string) {
	keys := f.keys(path)
	for _, key := range keys {
		switch {
		case len(keys) > 1 && !f.dicts[path+key], !holds(path + key + "."):
		case slices.Contains(nests, key):
			plain = append(plain, key)
		case isAverageKey(key):
			average = append(average, key)
		}
	}
	return plain, average
}
