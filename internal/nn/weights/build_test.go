package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Pickles for tests, composed of the opcodes that PyTorch writes.

func pText(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func pInt(v int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

func pInts(values ...int64) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = pInt(v)
	}
	return pTuple(items...)
}

func pTuple(items ...string) string      { return "(" + strings.Join(items, "") + "t" }
func pList(items ...string) string       { return "](" + strings.Join(items, "") + "e" }
func pDict(items ...string) string       { return "}(" + strings.Join(items, "") + "u" }
func pGlobal(module, name string) string { return "c" + module + "\n" + name + "\n" }
func pCall(module, name string, args ...string) string {
	return pGlobal(module, name) + pTuple(args...) + "R"
}

func pStorage(class, key string, count int64) string {
	return pTuple(pText("storage"), pGlobal("torch", class), pText(key), pText("cpu"), pInt(count)) + "Q"
}

func pTensor(storage string, first int64, shape, strides []int64) string {
	return pCall("torch._utils", "_rebuild_tensor_v2", storage, pInt(first), pInts(shape...), pInts(strides...),
		"\x89", pGlobal("collections", "OrderedDict")+")R")
}

// pModule is an object of a TorchScript class.
func pModule(class string, attributes ...string) string {
	return pGlobal("__torch__", class) + ")\x81" + pDict(attributes...) + "b"
}

// aTensor is a tensor of two floats from storage "0", which has four.
func aTensor() string {
	return pTensor(pStorage("FloatStorage", "0", 4), 1, []int64{2}, []int64{1})
}

// torchZip is an archive with a pickle and these entries in its directory.
func torchZip(t testing.TB, pickle string, entries map[string]string) []byte {
	t.Helper()
	all := maps.Clone(entries)
	if all == nil {
		all = map[string]string{}
	}
	all["data.pkl"] = "\x80\x02" + pickle + "."
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write([]byte(all[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// floats is an archive's entry for storage "0" of four floats.
var floats = map[string]string{"data/0": "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40"}

// script makes the entries those of a TorchScript archive.
func script(entries map[string]string) map[string]string {
	all := maps.Clone(entries)
	all["constants.pkl"] = "\x80\x02)."
	return all
}

// legacyHead is the part of a legacy file before its object.
const legacyHead = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + "\x80\x02M\xe9\x03." +
	"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."

// legacyFile is a legacy file with an object and the keys and contents of its storages.
func legacyFile(object, keys string, contents ...string) []byte {
	return []byte(legacyHead + "\x80\x02" + object + ".\x80\x02" + keys + "." + strings.Join(contents, ""))
}

// legacyFloats are the contents of a storage of four floats.
var legacyFloats = "\x04\x00\x00\x00\x00\x00\x00\x00" + floats["data/0"]
