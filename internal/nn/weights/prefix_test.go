package weights

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withNames is a safetensors file of tensors with these names, numbered in their order.
func withNames(t *testing.T, names ...string) *File {
	t.Helper()
	var tensors []Tensor
	for _, name := range names {
		tensors = append(tensors, FromFloat32s(name, []int{1}, []float32{float32(len(tensors))}))
	}
	data, err := Marshal(tensors, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenBytes("m", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRemoved: prefixes of wrappers are removed only where all tensors have them.
func TestRemoved(t *testing.T) {
	for _, c := range []struct{ names, want, removed string }{
		{"module.a module.b.c", "a b.c", "module."},
		{"_orig_mod.a _orig_mod.b", "a b", "_orig_mod."},
		{"module.module.a module.module.b", "a b", "module. module."},
		{"_orig_mod.module.a", "a", "_orig_mod. module."},
		{"model.module.a model.module.b", "model.a model.b", "model.module."},
		{"module.model.a module.model.b", "model.a model.b", "module."},
		{"module.model.module.a", "model.a", "module. model.module."},
		{"state_dict.net._orig_mod.a", "state_dict.net.a", "state_dict.net._orig_mod."},
		{"state_dict.module.a optimizer.state.0.m", "state_dict.a optimizer.state.0.m", "state_dict.module."},
		{"model.module.a model_ema.module.a", "model.a model_ema.a", "model.module. model_ema.module."},
		{"n_averaged module.a module.b", "n_averaged a b", "module."},
		{"n_averaged module.a module.n_averaged", "n_averaged module.a module.n_averaged", ""},
		{"module.a b", "module.a b", ""},
		{"module.a module.", "module.a module.", ""},
		{"modules.a modules.b", "modules.a modules.b", ""},
		{"visual.module.a visual.module.b", "visual.module.a visual.module.b", ""},
		{"module", "module", ""},
		{"", "", ""},
	} {
		f := withNames(t, strings.Fields(c.names)...)
		want := strings.Fields(c.want)
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(f.Names()))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.names, diff)
		}
		var removed []string
		for _, p := range f.Removed() {
			removed = append(removed, p.Dict+p.Name)
		}
		if got := strings.Join(removed, " "); got != c.removed {
			t.Errorf("%s: removed %q, expected %q", c.names, got, c.removed)
		}
		for i, name := range want { // each is found by its new name, with its own contents
			if v, err := f.Float32s(name); err != nil || v[0] != float32(i) {
				t.Errorf("%s: %q: %v, %v; expected %d", c.names, name, v, err, i)
			}
		}
	}
}

// TestStateDict: where a file's network is, and which files leave it open.
func TestStateDict(t *testing.T) {
	flat := func(names ...string) *File { return withNames(t, names...) }
	nested := func(items ...string) *File {
		t.Helper()
		f, err := OpenBytes("m", torchZip(t, pDict(items...), floats))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	dict := func(key string, items ...string) string { return pText(key) + pDict(items...) }
	a := pText("a") + aTensor()
	state := dict("optimizer", dict("state", pInt(140194238654400)+pDict(pText("momentum_buffer"), aTensor())))
	for _, c := range []struct {
		name string
		file *File
		want string
	}{
		{"flat", flat("a", "b.c"), ""},
		{"all in one dict", flat("state_dict.a", "state_dict.b"), "state_dict."},
		{"a module that is called model", flat("model.a", "head.b"), ""},
		{"two dicts, joined", flat("state_dict.model.a", "state_dict.model.b"), "state_dict.model."},
		{"only an average", flat("params_ema.a"), "params_ema."},
		{"tensors", nested(a), ""},
		{"state_dict and optimizer", nested(dict("state_dict", a), state), "state_dict."},
		{"plain and average", nested(dict("params_ema", a), dict("params", a)), "params."},
		{"average and optimizer", nested(dict("params_ema", a), state), "params_ema."},
		{"a dict in a dict", nested(dict("model", dict("state_dict", a)), state), "model.state_dict."},
		{"a wrapped network", nested(dict("net", pText("module.a")+aTensor()), state), "net."},
	} {
		if got, err := c.file.StateDict(); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; expected %q", c.name, got, err, c.want)
		}
	}
	for _, f := range []*File{nested(dict("model", a), dict("net", a)), nested(dict("params_ema", a), dict("ema", a))} {
		if got, err := f.StateDict(); err == nil || !slices.ContainsFunc([]string{`"model" "net"`, `"ema" "params_ema"`},
			func(s string) bool { return strings.Contains(err.Error(), s) }) {
			t.Errorf("%q, %v; expected an error that names both dicts", got, err)
		}
	}
}
