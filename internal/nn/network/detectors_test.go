package network

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Specs that were written before there was a list of detectors are read and written unchanged.
func TestSpecKeepsTheOldKeys(t *testing.T) {
	for text, want := range map[string][]string{
		`{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles"}`:                                              nil,
		`{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles","copies":true}`:                                {"copies"},
		`{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles","copies":true,"double_jpeg":true}`:             {"copies", "double-jpeg"},
		`{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles","detectors":["noise"],"copies":true}`:          {"copies", "noise"},
		`{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles","detectors":["a","noise"],"double_jpeg":true}`: {"a", "double-jpeg", "noise"},
	} {
		var s Spec
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(s.Detectors, want) {
			t.Errorf("%s: detectors %v, expected %v", text, s.Detectors, want)
		}
		if got := s.json(); got != text {
			t.Errorf("written as %s, expected %s", got, text)
		}
	}
	var listed, keyed Spec
	for text, s := range map[string]*Spec{`{"detectors":["double-jpeg","copies"]}`: &listed, `{"double_jpeg":true,"copies":true}`: &keyed} {
		if err := json.Unmarshal([]byte(text), s); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(listed, keyed) {
		t.Errorf("the list gives %+v, the keys %+v", listed, keyed)
	}
	s := Spec{Arch: "kept", TileOptions: TileOptions{Tile: 64}}
	if err := json.Unmarshal([]byte(`{"tile":128}`), &s); err != nil || s.Arch != "kept" || s.Tile != 128 {
		t.Errorf("reading into a Spec gave %+v, %v", s, err)
	}
}

// A checkpoint that was written before, with its keys in another order, holds the same network.
func TestSpecEqualsItsOldForm(t *testing.T) {
	old := `{"arch":"xceptionnet-lite","decoder":"context","mode":"tiles","copies":true,"blobs":true}`
	var s Spec
	if err := json.Unmarshal([]byte(old), &s); err != nil {
		t.Fatal(err)
	}
	same := Spec{Arch: ArchLite, Decoder: DecoderContext, Mode: ModeTiles, Detectors: []string{"copies"}, Blobs: true}
	if other := (Spec{Arch: ArchLite, Decoder: DecoderContext, Mode: ModeTiles, Blobs: true}); !s.Equal(same) || s.Equal(other) {
		t.Errorf("%s is read as %+v", old, s)
	}
}

func TestOldFlag(t *testing.T) {
	s := Spec{Detectors: []string{"noise"}}
	for _, key := range []string{"double_jpeg", "copies"} {
		s.OldFlag(key)()
	}
	if want := []string{"copies", "double-jpeg", "noise"}; !reflect.DeepEqual(s.Detectors, want) || s.OldFlag("noise") != nil {
		t.Errorf("detectors are %v, expected %v", s.Detectors, want)
	}
}
