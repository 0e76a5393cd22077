package npy

import (
	"encoding/base64"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Made with numpy.save, version 1.0 unless noted.
var byNumPy = map[string]string{
	"f2":        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAA8ADgANADAAAQ=",
	"f4":        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAD8AAIA+AAAAwAAAgDg=",
	"f8":        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAPA/AAAAAAAA4D8AAAAAAADQPwAAAAAAAADAAAAAAAAAED8=",
	"u1":        "k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAQL/gAc=",
	"u2":        "k05VTVBZAQB2AHsnZGVzY3InOiAnPHUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAEAAgD/AIAABwA=",
	"b1":        "k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAQABAQA=",
	"fortran":   "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPgAAgD8AAADAAAAAPwAAgDg=",
	"version 2": "k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAD8AAIA+AAAAwAAAgDg=",
}

func saved(t *testing.T, text string) string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return savedBytes(t, data)
}

func savedBytes(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadNumbersAsNumPy(t *testing.T) {
	fractions := []float32{0, 1, 0.5, 0.25, -2, 6.103515625e-05}
	whole := []float32{0, 1, 2, 255, 128, 7}
	for name, want := range map[string]struct {
		kind   string
		values []float32
	}{
		"f2": {"f2", fractions}, "f4": {"f4", fractions}, "f8": {"f8", fractions}, "u1": {"u1", whole}, "u2": {"u2", whole},
		"b1": {"b1", []float32{0, 1, 0, 1, 1, 0}}, "fortran": {"f4", fractions}, "version 2": {"f4", fractions},
	} {
		kind, shape, data, err := ReadNumbers(saved(t, byNumPy[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if kind != want.kind || !reflect.DeepEqual(shape, []int{2, 3}) || !reflect.DeepEqual(data, want.values) {
			t.Errorf("%s: %s %v %v, expected %s %v", name, kind, shape, data, want.kind, want.values)
		}
	}
}

func TestReadNumbersRefuses(t *testing.T) {
	good, err := base64.StdEncoding.DecodeString(byNumPy["f4"])
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"does not begin":            []byte("hello, this is text"),
		"kind \"<i8\"":              []byte(strings.Replace(string(good), "<f4", "<i8", 1)),
		"kind \">f4\"":              []byte(strings.Replace(string(good), "<f4", ">f4", 1)),
		"version 9":                 append([]byte("\x93NUMPY\x09\x00"), good[8:]...),
		"bytes of values, expected": good[:len(good)-1],
		"header of":                 good[:40],
		"header \"":                 []byte(strings.Replace(string(good), "shape", "shame", 1)),
	} {
		if _, _, _, err := ReadNumbers(savedBytes(t, data)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range good {
		if _, _, _, err := ReadNumbers(savedBytes(t, good[:i])); err == nil {
			t.Errorf("a file cut short after %d bytes is read", i)
		}
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float32{0: 0, 1: 5.9604645e-08, 0x3ff: 6.0975552e-05, 0x3555: 0.33325195, 0x7bff: 65504, 0xc000: -2, 0x7c00: float32(math.Inf(1))} {
		if got := half(bits); got != want {
			t.Errorf("%#x is %v, expected %v", bits, got, want)
		}
	}
	if got := half(0x7e00); got == got {
		t.Errorf("0x7e00 is %v, expected no number", got)
	}
}
