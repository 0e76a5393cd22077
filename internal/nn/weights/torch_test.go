package weights

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestBuiltFiles: the files that the tests below break are good as they are.
func TestBuiltFiles(t *testing.T) {
	dict := pDict(pText("a"), aTensor())
	for name, data := range map[string][]byte{
		"zip":    torchZip(t, dict, floats),
		"script": torchZip(t, pModule("Net", pText("a"), aTensor()), script(floats)),
		"legacy": legacyFile(dict, pList(pText("0")), legacyFloats),
	} {
		f, err := OpenBytes(name, data)
		if err != nil {
			t.Error(err)
			continue
		}
		if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) {
			t.Errorf("%s: %v, %v; expected 2, 3", name, v, err)
		}
	}
}

// TestTorchAccepts: forms that PyTorch writes, or wrote, and 1.13 does not.
func TestTorchAccepts(t *testing.T) {
	storage := pStorage("FloatStorage", "0", 4)
	cuda := pTuple(pText("storage"), pGlobal("torch.cuda", "FloatStorage"), pText("0"), pText("cuda:3"), pInt(4)) + "Q"
	six := pTuple(pText("storage"), pGlobal("torch", "FloatStorage"), pText("0"), pText("cpu"), pInt(4), "N") + "Q"
	python2 := "U\x01a"
	pairs := pCall("collections", "OrderedDict", pList(pList(pText("a"), aTensor()), pTuple(pText("n"), pInt(3))))
	rebuild := func(args ...string) string { return pCall("torch._utils", "_rebuild_tensor_v2", args...) }
	base := []string{storage, pInt(1), pInts(2), pInts(1)}
	for name, tensor := range map[string]string{
		"storage on a GPU":       pTensor(cuda, 1, []int64{2}, []int64{1}),
		"no view":                pTensor(six, 1, []int64{2}, []int64{1}),
		"_rebuild_tensor":        pCall("torch._utils", "_rebuild_tensor", base...),
		"no flags":               rebuild(append(slices.Clone(base), "\x89", "}", "N")...),
		"empty flags":            rebuild(append(slices.Clone(base), "\x89", "}", "}")...),
		"shape as torch.Size":    rebuild(storage, pInt(1), pCall("torch", "Size", pInts(2)), pInts(1)),
		"any stride for one":     pTensor(storage, 1, []int64{1, 2, 1}, []int64{-0, 1, 1 << 40}),
		"dimension of one first": pTensor(storage, 1, []int64{1, 2}, []int64{77, 1}),
	} {
		f, err := OpenBytes(name, torchZip(t, pDict(python2, tensor), floats))
		if err != nil {
			t.Error(err)
			continue
		}
		if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) {
			t.Errorf("%s: %v, %v; expected 2, 3", name, v, err)
		}
	}
	f, err := OpenBytes("Python 2", legacyFile(pairs, pList("U\x010"), legacyFloats))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) || f.Metadata()["n"] != "3" {
		t.Errorf("Python 2: %v, %v, %v; expected 2, 3, and n 3", v, err, f.Metadata())
	}
}

// TestOpaque: data next to the tensors is read as far as its class, and does not disturb them.
func TestOpaque(t *testing.T) {
	state := pTuple(pInt(3), pText("<"), "N", "N", "N", pInt(-1), pInt(-1), pInt(0)) + "b"
	dtype := pCall("numpy", "dtype", pText("f8"), "\x89", "\x88") + state
	for want, value := range map[string]string{
		"(numpy._core.multiarray.scalar, not read)":       pCall("numpy._core.multiarray", "scalar", dtype, "C\x0812345678"),
		"(numpy.core.multiarray.scalar, not read)":        pCall("numpy.core.multiarray", "scalar", dtype, "U\x0812345678"),
		"(numpy._core.multiarray._reconstruct, not read)": pCall("numpy._core.multiarray", "_reconstruct", pGlobal("numpy", "ndarray"), pTuple(pInt(0)), "C\x01b") + pTuple(pInt(1)) + "b",
		"(numpy.dtypes.Float64DType, not read)":           pCall("numpy.dtypes", "Float64DType") + state,
		"(argparse.Namespace, not read)":                  pGlobal("argparse", "Namespace") + ")\x81" + pDict(pText("lr"), pInt(1)) + "b",
		"(types.SimpleNamespace, not read)":               pCall("types", "SimpleNamespace") + pDict(pText("lr"), pInt(1)) + "b",
		"(datetime.datetime, not read)":                   pCall("datetime", "datetime", "C\x0a1234567890"),
		"(__builtin__.set, not read)":                     pCall("__builtin__", "set", pList(pInt(1))),
		"(pathlib.PosixPath, not read)":                   pCall("pathlib", "PosixPath", pText("/"), pText("a")),
	} {
		entries := []string{pText("x"), value, pText("a"), aTensor()}
		for form, data := range map[string][]byte{
			"zip":    torchZip(t, pDict(entries...), floats),
			"legacy": legacyFile(pDict(entries...), pList(pText("0")), legacyFloats),
		} {
			f, err := OpenBytes(form, data)
			if err != nil {
				t.Errorf("%s: %v", want, err)
				continue
			}
			if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) || f.Metadata()["x"] != want {
				t.Errorf("%s: %v, %v; metadata %q, expected %q", form, v, err, f.Metadata()["x"], want)
			}
		}
	}
}

// TestNamespaceSettings: of a namespace's settings, only those that a network may depend on are
// kept.
func TestNamespaceSettings(t *testing.T) {
	args := pGlobal("argparse", "Namespace") + ")\x81" + pDict(pText("lr"), pInt(1), pText("lora_alpha"), pInt(64)) + "b"
	f, err := OpenBytes("x", torchZip(t, pDict(pText("args"), args, pText("a"), aTensor()), floats))
	if err != nil {
		t.Fatal(err)
	}
	meta := f.Metadata()
	if _, kept := meta["args.lr"]; kept || meta["args.lora_alpha"] != "64" {
		t.Errorf("metadata %v, expected args.lora_alpha 64 and no args.lr", meta)
	}
}

// TestDictClasses: the entries of a dict of another class are read as those of a plain one.
func TestDictClasses(t *testing.T) {
	entries := "(" + pText("a") + aTensor() + "u"
	for name, dict := range map[string]string{
		"defaultdict": pCall("collections", "defaultdict", pGlobal("builtins", "list")) + entries,
		"no factory":  pCall("collections", "defaultdict", "N") + entries,
		"Counter":     pCall("collections", "Counter", pDict(pText("a"), aTensor())),
		"EasyDict":    pGlobal("easydict", "EasyDict") + ")\x81" + entries + pDict() + "b",
	} {
		f, err := OpenBytes(name, torchZip(t, dict, floats))
		if err != nil {
			t.Error(err)
			continue
		}
		if v, err := f.Float32s("a"); err != nil || !slices.Equal(v, []float32{2, 3}) {
			t.Errorf("%s: %v, %v; expected 2, 3", name, v, err)
		}
	}
}

// badPickles are objects that must be refused in every PyTorch format, with a
// part of the message. Storage "0" holds four floats.
func badPickles() map[string]string {
	floats := pStorage("FloatStorage", "0", 4)
	view := func(first int64, shape, strides []int64) string {
		return pDict(pText("a"), pTensor(floats, first, shape, strides))
	}
	persistent := func(parts ...string) string { return pTuple(parts...) + "Q" }
	class, key := pGlobal("torch", "FloatStorage"), pText("0")
	doubling, own := "}", "}q\x00"+pText("a")+"h\x00s"
	for range 60 {
		doubling = "}q\x01(" + pText("a") + doubling + "q\x02" + pText("b") + "h\x02u"
	}
	return map[string]string{
		pCall("os", "system", pText("true")):                                                   `"os.system"`,
		pGlobal("builtins", "eval"):                                                            `"builtins.eval"`,
		pText("posix") + pText("system") + "\x93":                                              `"posix.system"`,
		pGlobal("torch", "load"):                                                               `"torch.load"`,
		pGlobal("torch", "FloatTensor"):                                                        `"torch.FloatTensor"`,
		pGlobal("torch._utils", "_rebuild_qtensor"):                                            "quantised",
		pGlobal("torch._utils", "_rebuild_sparse_tensor"):                                      "sparse",
		pGlobal("torch", "QInt8Storage"):                                                       `"torch.QInt8Storage": numbers of this type`,
		pGlobal("torch", "ComplexFloatStorage"):                                                `"torch.ComplexFloatStorage"`,
		pGlobal("torch.storage", "UntypedStorage"):                                             `"torch.storage.UntypedStorage"`,
		pGlobal("os\nsystem", "x"):                                                             `"os.system"`,
		pGlobal("__torch__.torch.classes.quantized", "Packed"):                                 `"__torch__.torch.classes.quantized.Packed"`,
		"(ios\nsystem\n":                                                                       "INST",
		pGlobal("torch", "FloatStorage") + ")R":                                                `"torch.FloatStorage": called`,
		pGlobal("collections", "OrderedDict") + ")\x81":                                        "cannot be made",
		pCall("collections", "OrderedDict", pInt(1)):                                           "expected none or a list",
		pCall("collections", "OrderedDict", pList(pInt(1))):                                    "expected pairs",
		pCall("collections", "OrderedDict", pList(pTuple(pInt(1)))):                            "expected pairs",
		pCall("collections", "defaultdict", pInt(1)):                                           "expected none or a dict",
		pGlobal("numpy", "load"):                                                               `"numpy.load"`,
		pGlobal("numpy.core.multiarray", "fromfile"):                                           `"numpy.core.multiarray.fromfile"`,
		pGlobal("_codecs", "decode"):                                                           `"_codecs.decode"`,
		pGlobal("pathlib", "os"):                                                               `"pathlib.os"`,
		pCall("torch", "Size", pInt(1)):                                                        "called with 1",
		pCall("torch._utils", "_rebuild_parameter", "N", "\x88", "N"):                          "expected a tensor",
		pCall("torch._utils", "_rebuild_parameter"):                                            "expected 3",
		pCall("torch._utils", "_rebuild_tensor_v2"):                                            "expected 4 to 7",
		pCall("torch._utils", "_rebuild_tensor_v2", "N", pInt(0), pInts(1), pInts(1)):          "expected a storage",
		pCall("torch._utils", "_rebuild_tensor_v2", floats, "N", pInts(1), pInts(1)):           "expected a storage",
		pCall("torch._utils", "_rebuild_tensor_v2", floats, pInt(0), pList(pInt(1)), pInts(1)): "expected a storage",
		pCall("torch._utils", "_rebuild_tensor_v2", floats, pInt(0), pTuple("N"), pInts(1)):    "expected a storage",
		pCall("torch._utils", "_rebuild_tensor_v2", floats, pInt(0), pInts(1, 1), pInts(1)):    "as many ints",
		pCall("torch._utils", "_rebuild_tensor_v2", floats, pInt(0), pInts(1), pInts(1), "\x89", "N",
			pDict(pText("conj"), "\x88")): "conjugated",
		pInt(1) + "}b":      "an int cannot be given a state",
		"}" + pInt(1) + "b": "the state of a dict is an int",
		persistent(pText("module"), class, key, key, pInt(4)):                                 "id of a storage",
		persistent(pText("storage"), class, key, key):                                         "id of a storage",
		persistent(pText("storage"), class, key, key, pInt(4), pTuple(key, pInt(0), pInt(4))): "id of a storage",
		pText("storage") + "Q": "id of a storage",
		persistent(pText("storage"), pInt(1), key, key, pInt(4)):                  "expected a storage's class",
		persistent(pText("storage"), pGlobal("torch", "Size"), key, key, pInt(4)): "not a class of storages",
		persistent(pText("storage"), class, key, key, pInt(-1)):                   "storage \"0\" of -1 numbers",
		persistent(pText("storage"), class, key, key, pInt(1<<62)):                "numbers",
		persistent(pText("storage"), class, pInt(0), key, pInt(4)):                "expected a storage's class",

		view(0, []int64{5}, []int64{1}):                   "outside the storage of 4",
		view(4, []int64{1}, []int64{1}):                   "outside the storage of 4",
		view(5, []int64{0}, []int64{1}):                   "outside the storage of 4",
		view(-1, []int64{2}, []int64{1}):                  "outside the storage of 4",
		view(2, []int64{2, 2}, []int64{0, 2}):             "outside the storage of 4",
		view(0, []int64{2}, []int64{1 << 62}):             "outside the storage of 4",
		view(0, []int64{3, 3}, []int64{1 << 62, 1 << 62}): "outside the storage of 4",
		view(3, []int64{2}, []int64{-1}):                  "negative stride",
		view(0, []int64{1}, []int64{-1}):                  "negative stride",
		view(0, []int64{-2}, []int64{1}):                  "negative size",
		view(0, []int64{2, 2}, []int64{1, 1}):             "overlap",
		view(0, []int64{1 << 50}, []int64{0}):             "size too large",
		view(0, []int64{1 << 40, 1 << 40}, []int64{0, 0}): "too large",
		view(0, []int64{1 << 32}, []int64{0}):             "repeats its numbers",
		view(0, make([]int64, 33), make([]int64, 33)):     "expected a storage",
		pDict(pText("a"), pTensor(pStorage("DoubleStorage", "0", 4), 0, []int64{1}, []int64{1}),
			pText("b"), aTensor()): `storage "0"`,

		aTensor():                   "one tensor without a name",
		pDict(pText(""), aTensor()): "a tensor has no name",
		pDict(pText("a"), aTensor(), pText("a"), aTensor()):                      `"a" appears twice`,
		pDict(pText("1"), "N", pInt(1), "N"):                                     `"1" appears twice`,
		pDict(pText("a.b"), aTensor(), pText("a"), pDict(pText("b"), aTensor())): `two tensors are named "a.b"`,
		pDict("N", aTensor()):                                                    "a key is None",
		pDict(")", "N"):                                                          "a key is a tuple",
		pDict("U\x01\xff", aTensor()):                                            "not valid UTF-8",
		pDict(pText(strings.Repeat("a", 513)), aTensor()):                        "a name of 513 bytes",
		own:                                   `"a" contains itself`,
		pDict(pText("a"), "]q\x00h\x00\x85a"): "contains itself",
		strings.Repeat("}"+pText("a"), 70) + "N" + strings.Repeat("s", 70): "nested deeper",
		strings.Repeat("]", 100000) + strings.Repeat("a", 99999):           "nested deeper",
		doubling: "values, counting every",
	}
}

// checkRefused demands an error that wraps ErrFormat, names file and format, and
// says what is wrong.
func checkRefused(t *testing.T, format string, data []byte, want string) {
	t.Helper()
	_, err := OpenBytes("bad", data)
	if err == nil {
		t.Errorf("%s: accepted, expected %q", format, want)
		return
	}
	if prefix := "bad: " + ErrFormat.Error() + ": " + format + ": "; !errors.Is(err, ErrFormat) ||
		!strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, expected %q and %q in it", err, prefix, want)
	}
	if len(err.Error()) > 2000 {
		t.Errorf("a message of %d bytes", len(err.Error()))
	}
}

func TestTorchRefuses(t *testing.T) {
	for pickle, want := range badPickles() {
		checkRefused(t, FormatPyTorch, torchZip(t, pickle, floats), want)
		checkRefused(t, FormatTorchScript, torchZip(t, pickle, script(floats)), want)
		legacy := legacyFile(pickle, pList(pText("0")), legacyFloats)
		if !strings.Contains(pickle, pText("storage")) {
			legacy = legacyFile(pickle, pList())
		}
		checkRefused(t, FormatLegacy, legacy, want)
	}
}

// TestScriptOnly: what TorchScript's archives may refer to, others may not; and
// objects hold what objects hold.
func TestScriptOnly(t *testing.T) {
	module := pModule("Net", pText("a"), aTensor())
	ints := pDict(pText("n"), pCall("torch.jit._pickle", "build_intlist", pList(pInt(1))))
	for pickle, want := range map[string]string{module: `"__torch__.Net"`, ints: `"torch.jit._pickle.build_intlist"`} {
		if _, err := OpenBytes("script", torchZip(t, pickle, script(floats))); err != nil {
			t.Error(err)
		}
		checkRefused(t, FormatPyTorch, torchZip(t, pickle, floats), want)
		checkRefused(t, FormatLegacy, legacyFile(pickle, pList()), want)
	}
	own := pGlobal("__torch__", "Net") + ")\x81q\x00" + pDict(pText("a"), "h\x00") + "b"
	for pickle, want := range map[string]string{
		pGlobal("__torch__", "Net") + pInts(1) + "\x81":         "from 1 arguments",
		pGlobal("__torch__", "Net") + ")R":                      "called with 0",
		pGlobal("__torch__", "Net") + ")\x81" + pInts(1) + "b":  "is a tuple, expected a dict",
		pCall("torch.jit._pickle", "build_intlist"):             "called with 0",
		pGlobal("torch.jit._pickle", "build_intlist") + ")\x81": "cannot be made",
		pGlobal("torch.jit._pickle", "unknown"):                 `"torch.jit._pickle.unknown"`,
		own:                                                     `"a" contains itself`,
	} {
		checkRefused(t, FormatTorchScript, torchZip(t, pickle, script(floats)), want)
	}
}

func TestLegacyRefuses(t *testing.T) {
	dict, keys := pDict(pText("a"), aTensor()), pList(pText("0"))
	good := string(legacyFile(dict, keys, legacyFloats))
	magic, rest := good[:15], good[15:]
	for name, c := range map[string]struct{ data, want string }{
		"magic":        {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18." + rest, "magic number is missing"},
		"other pickle": {"\x80\x02}X\x01\x00\x00\x00aK\x01s.", "magic number is missing"},
		"version":      {magic + "\x80\x02M\xea\x03." + rest[6:], "unsupported version"},
		"no facts":     {magic + rest[:6] + "\x80\x02N.", "are None, expected a dict"},
		"big-endian":   {strings.Replace(good, "little_endian\x88", "little_endian\x89", 1), "big-endian"},
		"no keys":      {string(legacyFile(dict, pList(), legacyFloats)), "0 storages are listed, expected 1"},
		"keys":         {string(legacyFile(dict, "}", legacyFloats)), "is a dict, expected a list"},
		"keys of int":  {string(legacyFile(dict, pList(pInt(0)), legacyFloats)), "not used"},
		"key twice":    {string(legacyFile(dict, pList(pText("0"), pText("0")), legacyFloats, legacyFloats)), `"0" is listed twice`},
		"unused key":   {string(legacyFile(dict, pList(pText("0"), pText("1")), legacyFloats, legacyFloats)), `"1" is listed twice or not used`},
		"no contents":  {string(legacyFile(dict, keys)), "unexpected EOF"},
		"count":        {string(legacyFile(dict, keys, "\x05"+legacyFloats[1:])), "has 5 numbers, expected 4"},
		"cut":          {good[:len(good)-1], "ends outside the file"},
		"rest":         {good + "x", "1 bytes after the last storage"},
		"two types": {string(legacyFile(pDict(pText("a"), aTensor(), pText("b"),
			pTensor(pStorage("HalfStorage", "0", 4), 0, []int64{1}, []int64{1})), keys, legacyFloats)), "expected 4 F32 as before"},
	} {
		t.Run(name, func(t *testing.T) { checkRefused(t, FormatLegacy, []byte(c.data), c.want) })
	}
}

// TestMetadataBounds: too many scalars and too long ones are left out, those of
// the outer dicts last.
func TestMetadataBounds(t *testing.T) {
	inner := make([]string, 0, 4000)
	for i := range 2000 {
		inner = append(inner, pInt(int64(i)), pInt(int64(i)))
	}
	f, err := OpenBytes("many", torchZip(t, pDict(
		pText("inner"), pDict(inner...),
		pText("steps"), pInt(3),
		pText("long"), pText(strings.Repeat("x", maxText+1)),
		pText("raw"), "U\x01\xff",
		pText("nan"), "G\x7f\xf8\x00\x00\x00\x00\x00\x00",
	), nil))
	if err != nil {
		t.Fatal(err)
	}
	meta := f.Metadata()
	if meta["steps"] != "3" || meta["nan"] != "NaN" || meta["inner.0"] != "0" || len(meta) != maxScalars {
		t.Errorf("%d entries, steps %q, nan %q", len(meta), meta["steps"], meta["nan"])
	}
	for _, name := range []string{"long", "raw"} {
		if _, ok := meta[name]; ok {
			t.Errorf("%q was kept", name)
		}
	}
	if len(slices.Collect(maps.Keys(f.index))) != 0 {
		t.Errorf("tensors %q", f.Names())
	}
}
