package weights

import (
	"strings"
	"testing"
)

// nestedFile is a PyTorch file of dicts with these keys, each of which holds one tensor "a".
func nestedFile(t *testing.T, keys ...string) *File {
	t.Helper()
	var items []string
	for _, key := range keys {
		items = append(items, pText(key)+pDict(pText("a")+aTensor()))
	}
	f, err := OpenBytes("m", torchZip(t, pDict(items...), floats))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Of several copies of a network one is used, and the choice is listed.
func TestChoose(t *testing.T) {
	joined := func(prefixes ...string) *File {
		var names []string
		for _, prefix := range prefixes {
			names = append(names, prefix+"a")
		}
		return withNames(t, names...)
	}
	for _, c := range []struct {
		file *File
		of   string // the prefixes; "-" for none
		want string // the choice
	}{
		{joined("ema.", "model."), "ema. model.", `the tensors of "model." are used, not those of "ema."`},
		{joined("", "average."), "average. -", `the tensors without a prefix are used, not those of "average."`},
		{joined("net_averaged.", "network."), "net_averaged. network.", `the tensors of "network." are used, not those of "net_averaged."`},
		{joined("schema.", "state_dict."), "schema. state_dict.", `the tensors of "schema." are used, not those of "state_dict."`},
		{joined("a.", "bb.", "ema.", "c.", "dd.", "average."), "a. bb. ema. c. dd. average.", `the tensors of "a." are used, not those of "c." and of "bb." and of "dd." and of 2 more prefixes`},
		{nestedFile(t, "best", "model"), "best. model.", `the tensors of "model." are used, not those of "best."`},
		{nestedFile(t, "best", "ema", "model_ema"), "best. ema. model_ema.", `the tensors of "best." are used, not those of "ema." and of "model_ema."`},
		{nestedFile(t, "model", "net"), "net.", ""},
		{joined("model."), "model.", ""},
	} {
		prefixes := strings.Fields(c.of)
		for i, prefix := range prefixes {
			prefixes[i] = strings.TrimPrefix(prefix, "-")
		}
		var used string
		for range 2 {
			var err error
			if used, err = c.file.Choose(prefixes); err != nil {
				t.Errorf("%s: %v", c.of, err)
			}
		}
		choices := c.file.Choices()
		if c.want == "" {
			if len(choices) > 0 {
				t.Errorf("%s: %v, expected no choice", c.of, choices)
			}
			continue
		}
		if len(choices) != 1 || choices[0].String() != c.want || choices[0].Used != used || c.file.Order(prefixes)[0] != used {
			t.Errorf("%s: %q, %v; expected once %s", c.of, used, choices, c.want)
		}
	}
	f := nestedFile(t, "model", "net")
	if used, err := f.Choose([]string{"model.", "net."}); err == nil || !strings.Contains(err.Error(), `"model" "net"`) {
		t.Errorf("%q, %v; expected an error that names both dicts", used, err)
	}
}

// StateDict lists which average it does not use.
func TestStateDictChoice(t *testing.T) {
	f := nestedFile(t, "params", "params_ema", "optimizer")
	if prefix, err := f.StateDict(); err != nil || prefix != "params." {
		t.Fatalf("%q, %v", prefix, err)
	}
	want := `the tensors of "params." are used, not those of "params_ema."`
	if choices := f.Choices(); len(choices) != 1 || choices[0].String() != want {
		t.Errorf("%v, expected %s", choices, want)
	}
	f = nestedFile(t, "params_ema")
	if prefix, err := f.StateDict(); err != nil || prefix != "params_ema." || len(f.Choices()) > 0 {
		t.Errorf("%q, %v, %v: expected the average and no choice", prefix, err, f.Choices())
	}
}
